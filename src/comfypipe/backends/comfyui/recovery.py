"""Servers of a fleet that are out of service: asked whether they answer, probed with a small prompt, taken back."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from comfypipe._types import JSONObject
from comfypipe.backends.base import Backend, RunHandle, RunStatus, Submission
from comfypipe.backends.comfyui.health import FleetTiming, ServerState
from comfypipe.backends.comfyui.member import Member
from comfypipe.errors import BackendUnavailable, ComfypipeError

_BLACK_TO_WHITE = 1 << 24


def probe_prompt() -> JSONObject:
    """
    Return a small prompt that needs no model, saves nothing, and that no cache can answer.

    The blur is there because a server does it on its GPU: making and showing a picture alone would tell nothing of one
    whose GPU has failed. Source: ComfyUI ``comfy_extras/nodes_post_processing.py`` (0.3.64).
    """
    colour = secrets.randbelow(_BLACK_TO_WHITE)
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": colour}},
        "2": {"class_type": "ImageBlur", "inputs": {"image": ["1", 0], "blur_radius": 1, "sigma": 1.0}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }


class Recovery:
    """
    Takes servers out of service and, when they pass a probe, back.

    Args:
        changed: Called when a server is out of service or back.
    """

    def __init__(self, timing: FleetTiming, changed: Callable[[], None], probe: Callable[[], JSONObject]) -> None:
        self._timing = timing
        self._changed = changed
        self._probe = probe

    def quarantine(self, member: Member, reason: str, *, poisoned: bool = False, silent: bool = False) -> None:
        """Give it no work until it has passed a probe."""
        if silent:
            member.silent(_now())
        if member.health.quarantine(reason, poisoned=poisoned):
            self._changed()
        if member.recovery is None or member.recovery.done():
            member.recovery = asyncio.create_task(self._recover(member))

    async def answers_again(self, member: Member) -> bool:
        """Wait until a silent server answers; False when it has been silent for so long that its runs are lost."""
        while member.health.silent_since is not None:
            left_s = member.health.silent_since + self._timing.lost_s - _now()
            if left_s <= 0:
                return False
            with suppress(TimeoutError):
                await asyncio.wait_for(member.answers.wait(), left_s)
        return True

    async def withdraw(self, member: Member, prompt_id: str) -> None:
        """Have a server let go of a run that goes elsewhere; where it does not, that is made up for when it is back."""
        try:
            async with asyncio.timeout(self._timing.withdraw_s):
                handle = await member.backend.find(prompt_id)
                if handle is not None:
                    await member.backend.cancel(handle)
        except (ComfypipeError, TimeoutError):
            member.abandoned.append(prompt_id)

    def readmit(self, member: Member) -> None:
        """Take it back into service at once."""
        member.health.readmit()
        member.answers.set()
        self._changed()

    async def _recover(self, member: Member) -> None:
        while member.health.state is ServerState.QUARANTINED:
            await asyncio.sleep(member.health.next_probe_s(self._timing))
            try:
                async with asyncio.timeout(self._timing.probe_s):
                    member.learn(await member.backend.object_info(fresh=True))
            except (ComfypipeError, TimeoutError) as error:
                member.silent(_now())
                member.health.quarantine(_said(error), poisoned=member.health.poisoned)
                continue
            await self._withdraw_abandoned(member)
            if not member.runs and await self._passes(member):  # a probe behind a long run would tell nothing
                self.readmit(member)

    async def _withdraw_abandoned(self, member: Member) -> None:
        abandoned, member.abandoned = member.abandoned, []
        for prompt_id in abandoned:
            await self.withdraw(member, prompt_id)

    async def _passes(self, member: Member) -> bool:
        prompt_id = str(uuid4())
        try:
            async with asyncio.timeout(self._timing.probe_s):
                return await self._run(member.backend, prompt_id, member)
        except (ComfypipeError, TimeoutError) as error:
            failure = error if isinstance(error, ComfypipeError) else BackendUnavailable("it did not end in time")
            member.health.quarantine(f"it fails a small prompt: {failure.message}", poisoned=member.health.poisoned)
            await self.withdraw(member, prompt_id)
            return False

    async def _run(self, backend: Backend, prompt_id: str, member: Member) -> bool:
        handle: RunHandle = await backend.submit(Submission(prompt_id, self._probe()))
        result = await backend.wait(handle)
        if result.status is RunStatus.COMPLETED:
            return True
        said = result.error.message if result.error else result.status.value
        member.health.quarantine(f"it fails a small prompt: {said}", poisoned=member.health.poisoned)
        return False


def _said(error: ComfypipeError | TimeoutError) -> str:
    return error.message if isinstance(error, ComfypipeError) else "it does not answer in time"


def _now() -> float:
    return asyncio.get_running_loop().time()
