"""Following a run of a fleet to its end, whether or not anybody waits for it: its server's place is free only then."""

import asyncio
from collections.abc import Awaitable, Callable

from comfypipe.backends.base import NodeProgress, OnProgress, RunHandle, RunResult
from comfypipe.backends.comfyui.scheduler import Models
from comfypipe.errors import ComfypipeError

_KEPT = 1000  # of a run that nobody waits for yet, so many messages are kept


class FollowedRun:
    """
    One run on one server.

    Attributes:
        submitted: When it was sent, by the event loop's clock; None for one of an earlier process.
        cold: Whether its server had to load models for it.
        forsaken: Why it was given up on this server; None while it is not.
        began: Whether it may have begun to execute: something was heard of it, or another process submitted it.
    """

    def __init__(
        self, handle: RunHandle, submitted: float | None, models: Models = frozenset(), *, cold: bool = False
    ) -> None:
        self.handle = handle
        self.submitted = submitted
        self.cold = cold
        self.models = models
        self.forsaken: ComfypipeError | None = None
        self.began = submitted is None
        self._told: list[NodeProgress] = []
        self._listeners: list[OnProgress] = []
        self._asked = False
        self._waiting: asyncio.Future[RunResult] | None = None
        self._task: asyncio.Task[RunResult | ComfypipeError] | None = None

    @property
    def claimed(self) -> bool:
        """Whether somebody has its outcome."""
        return self._asked

    def start(self, watch: Callable[["FollowedRun"], Awaitable[RunResult | ComfypipeError]]) -> None:
        """Follow it from now on; *watch* returns how it ended."""

        async def follow() -> RunResult | ComfypipeError:
            return await watch(self)

        self._task = asyncio.create_task(follow())

    def tell(self, progress: NodeProgress) -> None:
        """Pass on what happens, or keep it for who comes later."""
        self.began = self.began or progress.state != "queued"
        for listener in self._listeners:
            listener(progress)
        if not self._asked and len(self._told) < _KEPT and progress.state != "preview":
            self._told.append(progress)

    async def outcome(self, on_progress: OnProgress | None) -> RunResult:
        """
        Return how it ended; what was heard before is told first.

        Raises:
            ComfypipeError: It was lost, or its server could not be asked.
        """
        if self._task is None:
            raise RuntimeError("the run is not followed yet")
        self._asked = True
        before, self._told = self._told, []
        listeners = [on_progress] if on_progress is not None else []
        for listener in listeners:
            for progress in before:
                listener(progress)
        self._listeners.extend(listeners)
        try:
            ended = await asyncio.shield(self._task)
        finally:
            for listener in listeners:
                self._listeners.remove(listener)
        if isinstance(ended, ComfypipeError):
            raise ended
        return ended

    async def until_end(self, waiting: Awaitable[RunResult]) -> RunResult:
        """
        Return what *waiting* does, unless the run is forsaken first.

        Raises:
            ComfypipeError: Why it was forsaken.
        """
        self._waiting = asyncio.ensure_future(waiting)
        try:
            if self.forsaken is not None:
                self._waiting.cancel()
            return await self._waiting
        except asyncio.CancelledError:
            if self.forsaken is not None:
                raise self.forsaken from None
            raise
        finally:
            self._waiting.cancel()

    def forsake(self, error: ComfypipeError) -> None:
        """Give it up on this server."""
        self.forsaken = self.forsaken or error
        if self._waiting is not None:
            self._waiting.cancel()

    async def stop(self) -> None:
        """Follow it no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
