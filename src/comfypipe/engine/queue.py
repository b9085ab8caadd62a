"""Prompts that wait for the engine, and the thread that runs them one after the other."""

from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from logging import getLogger
from threading import Condition, Thread

from comfypipe._types import JSONObject
from comfypipe.engine.executor import Prepared
from comfypipe.engine.interruption import Interruption

_log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueItem:
    """
    A prompt that waits, or runs.

    Attributes:
        number: Lower ones go first; of equal ones the one that came first.
        extra_data: As it was submitted: ``client_id``, ``extra_pnginfo`` and whatever else.
        interruption: Stops it.
    """

    number: float
    prompt_id: str
    prepared: Prepared
    extra_data: JSONObject = field(default_factory=dict)
    interruption: Interruption = field(default_factory=Interruption)


class PromptQueue:
    """Holds what waits and what runs. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._pending: list[QueueItem] = []
        self._running: list[QueueItem] = []
        self._closed = False

    def put(self, item: QueueItem) -> None:
        """Add an item that waits."""
        with self._changed:
            insort(self._pending, item, key=lambda each: each.number)
            self._changed.notify()

    def take(self) -> QueueItem | None:
        """Wait for an item and return it as running; None when the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closed)
            if self._closed:
                return None
            item = self._pending.pop(0)
            self._running.append(item)
            return item

    def finish(self, item: QueueItem) -> None:
        """Tell that an item does not run any more."""
        with self._changed:
            self._running = [each for each in self._running if each is not item]

    def remove(self, prompt_ids: Iterable[str] | None = None) -> tuple[QueueItem, ...]:
        """Take items that wait out of the queue, those of *prompt_ids* or all; return them."""
        wanted = None if prompt_ids is None else frozenset(prompt_ids)
        with self._changed:
            waiting, self._pending = self._pending, []
            removed: list[QueueItem] = []
            for item in waiting:
                (removed if wanted is None or item.prompt_id in wanted else self._pending).append(item)
            return tuple(removed)

    def both(self) -> tuple[tuple[QueueItem, ...], tuple[QueueItem, ...]]:
        """Return what runs and what waits, at one moment: nothing is in neither because it was just taken."""
        with self._changed:
            return tuple(self._running), tuple(self._pending)

    def pending(self) -> tuple[QueueItem, ...]:
        """Return what waits, the next one first."""
        with self._changed:
            return tuple(self._pending)

    def running(self) -> tuple[QueueItem, ...]:
        """Return what runs: one item at most, while one worker takes them."""
        with self._changed:
            return tuple(self._running)

    def __len__(self) -> int:
        """Return how many wait or run."""
        with self._changed:
            return len(self._pending) + len(self._running)

    def close(self) -> None:
        """Let nobody wait any more; what still waits will not run."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Worker:
    """
    A thread that takes items from a queue and gives them to *perform*, until the queue is closed.

    Args:
        perform: Runs one item to its end, and sees to it that everybody hears of it.
    """

    def __init__(self, queue: PromptQueue, perform: Callable[[QueueItem], None]) -> None:
        self._queue = queue
        self._perform = perform
        self._thread = Thread(target=self._work, name="comfypipe-engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the queue, stop what runs, and wait for the thread to end."""
        self._queue.close()
        for item in self._queue.running():
            item.interruption.request()
        self._thread.join()

    def _work(self) -> None:
        while (item := self._queue.take()) is not None:
            try:
                self._perform(item)
            except Exception:  # noqa: BLE001  a worker that died would leave a queue that nobody serves
                _log.exception("prompt %s ended in a fault of the engine's own", item.prompt_id)
            finally:
                self._queue.finish(item)
