"""Finding a run again whose reply was lost: by the mark in its prompt, among the runs that the API lists."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import httpx

from comfypipe.backends.comfyicu.api import RunsApi
from comfypipe.backends.comfyicu.marks import is_marked
from comfypipe.backends.comfyicu.timing import ApiTiming
from comfypipe.backends.comfyicu.wire import ApiRun, parse_run, parse_runs
from comfypipe.errors import BackendRejected, ProtocolMismatch, SubmissionUnknown

_PAGE = 100
_LOOKED_INTO = 100
"""How many runs are asked for one by one, where the list does not show their prompts."""
_SHORT_PAGE = 10
"""No list is cut off below so many: a shorter one is whole."""


class Lookup:
    """
    Looks through the runs of a workflow.

    That one is not there is only said when the list goes back to before it was sent; else nobody can know.
    """

    def __init__(self, api: RunsApi, timing: ApiTiming) -> None:
        self._api = api
        self._timing = timing

    async def find(self, workflow_id: str, prompt_id: str, sent_at: datetime | None) -> ApiRun | None:
        """
        Return the run that bears the mark of *prompt_id*; the oldest, should there be several.

        Args:
            sent_at: When it was sent first, where this process knows: what may still show is waited for.

        Raises:
            SubmissionUnknown: The list does not tell.
        """
        polls = 0
        while True:
            listed = await self._list(workflow_id)
            found = await self._marked(workflow_id, prompt_id, listed, sent_at)
            if found is not None or sent_at is None or self._is_settled(sent_at):
                break
            polls += 1
            await asyncio.sleep(self._timing.poll_delay_s(polls))
        if found is None and not self._reaches(listed, sent_at):
            raise SubmissionUnknown(
                f"{self._api.url} lists too few runs of the workflow {workflow_id} to tell whether {prompt_id} is one",
                hint="look for it there; if it does not run, run with --no-cache",
            )
        return found

    async def _list(self, workflow_id: str) -> tuple[ApiRun, ...]:
        reply = await self._api.ask(f"/workflows/{workflow_id}/runs", {"limit": str(_PAGE)})
        if reply.status == httpx.codes.BAD_REQUEST:  # it knows no such parameter
            reply = await self._api.ask(f"/workflows/{workflow_id}/runs")
        if reply.status == httpx.codes.NOT_FOUND:
            raise BackendRejected(f"{self._api.url} has no workflow {workflow_id}", hint="is workflow_id right?")
        if reply.status != httpx.codes.OK:
            raise ProtocolMismatch(f"{self._api.url} answers HTTP {reply.status} to the list of runs")
        return parse_runs(reply.body)

    async def _marked(
        self, workflow_id: str, prompt_id: str, listed: Sequence[ApiRun], sent_at: datetime | None
    ) -> ApiRun | None:
        near = [run for run in listed if sent_at is None or not self._is_before(run, sent_at)]
        bare = [run for run in near if run.prompt is None]
        if len(bare) > _LOOKED_INTO:
            raise SubmissionUnknown(
                f"any of {len(bare)} runs of {workflow_id} may be {prompt_id}: their prompts are not listed",
                hint="look for it there; if it does not run, run with --no-cache",
            )
        shown = [*(run for run in near if run.prompt is not None), *[await self._one(workflow_id, run) for run in bare]]
        marked = [run for run in shown if is_marked(run.prompt, prompt_id)]
        return min(marked, key=lambda run: (run.created_at is None, run.created_at), default=None)

    async def _one(self, workflow_id: str, run: ApiRun) -> ApiRun:
        reply = await self._api.ask(f"/workflows/{workflow_id}/runs/{run.id}")
        return parse_run(reply.body) if reply.status == httpx.codes.OK else run

    def _reaches(self, listed: Sequence[ApiRun], sent_at: datetime | None) -> bool:
        """Whether the list goes back far enough to hold what was sent then."""
        if len(listed) < _SHORT_PAGE:
            return True
        return sent_at is not None and any(self._is_before(run, sent_at) for run in listed)

    def _is_before(self, run: ApiRun, sent_at: datetime) -> bool:
        return run.created_at is not None and run.created_at < sent_at - timedelta(seconds=self._timing.skew_s)

    def _is_settled(self, sent_at: datetime) -> bool:
        return datetime.now(sent_at.tzinfo) - sent_at > timedelta(seconds=self._timing.settle_s)
