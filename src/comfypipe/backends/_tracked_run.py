"""A run of the engine as those see it who wait for it, in other threads."""

import asyncio
from collections.abc import Callable
from threading import Lock

from comfypipe.backends._files import NO_ROOM
from comfypipe.backends.base import NodeProgress, OnProgress, RunResult, RunStatus
from comfypipe.engine import events
from comfypipe.engine.queue import QueueItem
from comfypipe.errors import OutOfMemory, RunCancelled, RunError, RunFailed
from comfypipe.prompt.graph import PromptGraph

_Watcher = Callable[[NodeProgress | RunResult], None]


class TrackedRun:
    """
    What happened to a run so far, and who wants to know what happens next.

    Told by the engine's thread; waited for in any number of event loops.
    """

    def __init__(self, item: QueueItem) -> None:
        self.item = item
        self._lock = Lock()
        self._running = False
        self._result: RunResult | None = None
        self._told: list[NodeProgress] = [NodeProgress(item.prompt_id, "queued")]
        self._watchers: list[_Watcher] = []

    @property
    def status(self) -> RunStatus:
        """Where the run is."""
        if self._result is not None:
            return self._result.status
        return RunStatus.RUNNING if self._running else RunStatus.QUEUED

    def start(self) -> None:
        """Tell that it left the queue."""
        self._running = True

    def tell(self, progress: NodeProgress) -> None:
        """Tell everybody who waits, and remember it for those who come later."""
        with self._lock:
            if progress.state == "progress" and _same_step(self._told[-1], progress):
                self._told[-1] = progress  # of many steps only the last is worth keeping
            elif progress.state != "preview":  # pictures are for those who look
                self._told.append(progress)
            for watcher in self._watchers:
                watcher(progress)

    def finish(self, result: RunResult) -> None:
        """Tell how it ended; only the first end counts."""
        with self._lock:
            if self._result is None:
                self._result = result
                for watcher in self._watchers:
                    watcher(result)
                self._watchers.clear()

    async def wait(self, on_progress: OnProgress | None) -> RunResult:
        """Return the result when there is one; *on_progress* is called in this event loop, from the beginning on."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[RunResult] = loop.create_future()

        def receive(item: NodeProgress | RunResult) -> None:
            if ended.done():
                return
            if isinstance(item, RunResult):
                ended.set_result(item)
            elif on_progress is not None:
                try:
                    on_progress(item)
                except Exception as error:  # noqa: BLE001  it is the waiter's own, and raised to the waiter
                    ended.set_exception(error)

        def watcher(item: NodeProgress | RunResult) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(receive, item)

        for item in self._watch(watcher):
            receive(item)
        try:
            return await ended
        finally:
            self._unwatch(watcher)

    def _watch(self, watcher: _Watcher) -> tuple[NodeProgress | RunResult, ...]:
        with self._lock:
            if self._result is not None:
                return (*self._told, self._result)
            self._watchers.append(watcher)
            return tuple(self._told)

    def _unwatch(self, watcher: _Watcher) -> None:
        with self._lock:
            if watcher in self._watchers:
                self._watchers.remove(watcher)


def progress_of(event: events.Event, graph: PromptGraph) -> tuple[NodeProgress, ...]:
    """Put an event of the engine into the form of all backends."""
    match event:
        case events.RunStarted():
            return (NodeProgress(event.prompt_id, "started"),)
        case events.NodesCached():
            return tuple(
                NodeProgress(event.prompt_id, "cached", each, graph.nodes[each].class_type) for each in event.node_ids
            )
        case events.NodeStarted():
            return (NodeProgress(event.prompt_id, "running", event.node_id, event.class_type),)
        case events.NodeProgressed():
            return _steps(event, graph.nodes[event.node_id].class_type)
        case events.NodeFinished(cached=False):
            return (NodeProgress(event.prompt_id, "finished", event.node_id, graph.nodes[event.node_id].class_type),)
        case _:
            return ()


def error_of(end: events.RunSucceeded | events.RunFailed | events.RunInterrupted) -> RunError | None:
    """Return why a run did not complete."""
    match end:
        case events.RunInterrupted():
            return RunCancelled(f"the run was cancelled at node {end.node_id} ({end.class_type})")
        case events.RunFailed():
            kind = OutOfMemory if end.exception_type == "MemoryError" else RunFailed
            return kind(
                f"node {end.node_id} ({end.class_type}) raised {end.exception_type}: {end.message.strip()}",
                node_id=end.node_id,
                class_type=end.class_type,
                exception_type=end.exception_type,
                hint=_hint(end),
            )
        case _:
            return None


def _steps(event: events.NodeProgressed, class_type: str) -> tuple[NodeProgress, ...]:
    told = NodeProgress(event.prompt_id, "progress", event.node_id, class_type, event.value, event.maximum)
    if event.preview is None:
        return (told,)
    return told, NodeProgress(event.prompt_id, "preview", event.node_id, class_type, preview=event.preview)


def _hint(end: events.RunFailed) -> str | None:
    if end.errno in NO_ROOM:
        return "free some room on the disk that holds .comfypipe, or clear its engine folder"
    if end.exception_type == "MemoryError":
        return "make the pictures or the batch smaller, or run it on a machine with more memory"
    return None


def _same_step(before: NodeProgress, now: NodeProgress) -> bool:
    return before.state == now.state and before.node_id == now.node_id
