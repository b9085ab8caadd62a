"""Backends that can be let go of while runs go on there, and whose results can be seen whole."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from comfypipe.backends.base import Backend, OnProgress, OutputFile, RunHandle, RunResult, Submission
from comfypipe.backends.registry import open_backend
from comfypipe.errors import BackendUnavailable
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

_KEPT_RESULTS = 256


class Detachment:
    """
    What the service has to do with its backends beside execution.

    Attributes:
        begun: Whether the service is on its way out: then runs are left alone, for the next process to take up.
    """

    def __init__(self) -> None:
        self.begun = False
        self._results: OrderedDict[str, RunResult] = OrderedDict()

    def note(self, prompt_id: str, result: RunResult) -> None:
        """Keep for a moment how an attempt ended: execution keeps its files, we tell what its nodes showed too."""
        self._results[prompt_id] = result
        if len(self._results) > _KEPT_RESULTS:
            self._results.popitem(last=False)

    def result(self, prompt_id: str) -> RunResult | None:
        """Return how an attempt ended that was waited for just now."""
        return self._results.pop(prompt_id, None)

    def opener(self) -> Callable[[str, ProjectLayout], Backend]:
        """Return what opens backends that heed it."""
        return lambda url, layout: _Detachable(open_backend(url, layout), self)


class _Detachable:
    """
    A backend that says, once the service ends, that it cannot be reached by those who would stop its runs.

    Execution withdraws a run whose task is cancelled, and leaves it as it is where it cannot.
    """

    def __init__(self, backend: Backend, detachment: Detachment) -> None:
        self._backend = backend
        self._detachment = detachment

    @property
    def url(self) -> str:
        return self._backend.url

    @property
    def simulated(self) -> bool:
        return self._backend.simulated

    @property
    def takes_urls(self) -> bool:
        return self._backend.takes_urls

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        return await self._backend.object_info(fresh=fresh)

    async def submit(self, submission: Submission) -> RunHandle:
        return await self._backend.submit(submission)

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        self._refuse()
        return await self._backend.find(prompt_id, server)

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        result = await self._backend.wait(handle, on_progress)
        self._detachment.note(handle.prompt_id, result)
        return result

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        await self._backend.fetch(output, destination)

    async def cancel(self, handle: RunHandle) -> None:
        self._refuse()
        await self._backend.cancel(handle)

    async def close(self) -> None:
        await self._backend.close()

    def _refuse(self) -> None:
        if self._detachment.begun:
            raise BackendUnavailable("the service ends; its next process takes the run up")
