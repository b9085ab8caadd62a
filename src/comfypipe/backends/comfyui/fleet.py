"""Several servers as one backend: work waits here, goes where its models are, and leaves servers that fail."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.backends.base import OnProgress, OutputFile, RunHandle, RunResult, Submission
from comfypipe.backends.comfyui.health import FleetTiming, ServerState
from comfypipe.backends.comfyui.member import Server, ServerStatus
from comfypipe.backends.comfyui.open_fleet import OpenFleet
from comfypipe.backends.comfyui.recovery import probe_prompt
from comfypipe.errors import UsageError
from comfypipe.prompt.object_info import ObjectInfo


class FleetBackend:
    """
    Runs prompts on several servers.

    Each server gets a few prompts at a time (its ``depth``); the others wait here, until one that has what they need,
    and best their models too, has room. `decide` has the rules. A handle names its server.

    A server that does not answer, holds a run without executing it, or whose memory or GPU failed gets no more work
    until it has run a small prompt. Its runs stay its own for as long as they may be running there: those of a silent
    server are lost, and raise `ServerStateLost`, when it has been silent for ``timing.lost_s``; those of one that
    executes nothing are taken off it first.

    Args:
        servers: Of any kind of backend, with a name each.
        probe: Makes the small prompt.

    Raises:
        UsageError: No server, or two of the same name.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        timing: FleetTiming | None = None,
        probe: Callable[[], JSONObject] = probe_prompt,
    ) -> None:
        if not servers or len({each.name for each in servers}) < len(servers):
            raise UsageError("a fleet needs servers, each with a name of its own")
        self._servers = tuple(servers)
        self._timing = timing or FleetTiming()
        self._probe = probe
        self._open: OpenFleet | None = None

    @property
    def url(self) -> str:
        """The URLs of the servers, with commas between them, without credentials."""
        return ",".join(each.backend.url for each in self._servers)

    @property
    def simulated(self) -> bool:
        """Whether any server stands in for models."""
        return any(each.backend.simulated for each in self._servers)

    @property
    def takes_urls(self) -> bool:
        """Which server gets a prompt shows late: files are on this machine until then."""
        return False

    @property
    def slots(self) -> int:
        """How many prompts the servers hold at once, all together; to keep them busy, offer a few times as many."""
        return sum(each.depth_for(None) for each in self._servers)

    def status(self) -> tuple[ServerStatus, ...]:
        """Return how each server is; what is not known yet, `object_info` finds out."""
        if self._open is not None:
            return tuple(each.status() for each in self._open.members)
        return tuple(
            ServerStatus(each.name, ServerState.UP, each.accelerator, each.depth_for(None), queued=0)
            for each in self._servers
        )

    def drain(self, name: str) -> None:
        """Give a server no new work; what it has runs to its end."""
        self._opened().member(name).health.drain()

    def readmit(self, name: str) -> None:
        """Give a server work again at once, drained or in quarantine."""
        opened = self._opened()
        member = opened.member(name)
        member.health.drained = False
        opened.recovery.readmit(member)

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        """
        Return what the servers can run, put together; None when none of them tells.

        Raises:
            BackendUnavailable: None answers.
        """
        return await self._opened().offer(fresh=fresh)

    async def submit(self, submission: Submission) -> RunHandle:
        """
        Wait for room on a server that has what the prompt needs, and queue it there, once.

        Raises:
            PromptInvalid: No server has what it needs, or one that has refuses it.
            BackendRejected: No server has an accelerator that it wants.
            BackendUnavailable: None of those that could run it is up.
            SubmissionUnknown: The reply was lost.
        """
        return await self._opened().submit(submission)

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        """
        Return the handle of a prompt that one of the servers knows; *server* is asked first.

        Silent servers are waited for: None means that none has it, and that those silent count as lost.
        """
        return await self._opened().find(prompt_id, server)

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        """
        Return when the run has ended.

        Raises:
            ServerStateLost: Its server forgot it, or is lost, or was given up; nothing of it runs on.
        """
        return await self._opened().wait(handle, on_progress)

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        """Write a file of a run to *destination*: whole, or not at all."""
        await self._opened().fetch(output, destination)

    async def cancel(self, handle: RunHandle) -> None:
        """Return when the run is neither queued nor running."""
        await self._opened().cancel(handle)

    async def close(self) -> None:
        """Close the connections to all servers."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened.close()
        await asyncio.gather(*(each.backend.close() for each in self._servers))

    def _opened(self) -> OpenFleet:
        if self._open is None:
            self._open = OpenFleet(self._servers, self._timing, self._probe)
        return self._open
