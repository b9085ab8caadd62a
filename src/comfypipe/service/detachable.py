"""Backends that can be let go of while runs go on there."""

from collections.abc import Callable
from pathlib import Path

from comfypipe.backends.base import Backend, OnProgress, OutputFile, RunHandle, RunResult, Submission
from comfypipe.backends.registry import open_backend
from comfypipe.errors import BackendUnavailable
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo


class Detachment:
    """Whether the service is on its way out: then runs are left alone, for the next process to take up."""

    def __init__(self) -> None:
        self.begun = False

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
        return await self._backend.wait(handle, on_progress)

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
