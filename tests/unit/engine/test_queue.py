"""Prompts that wait for the engine."""

import threading
from pathlib import Path

import pytest

from comfypipe.engine.executor import Engine, Prepared
from comfypipe.engine.queue import PromptQueue, QueueItem, Worker
from comfypipe.engine.registry import Folders, Registry


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    """Return a prompt; what is in it does not matter here."""
    return Engine(Folders(tmp_path, tmp_path, tmp_path), Registry([])).prepare({})


def test_lower_numbers_first_then_in_order(prepared: Prepared) -> None:
    """Of equal numbers the one that came first is taken first."""
    queue = PromptQueue()
    for number, name in ((1, "a"), (0, "b"), (1, "c"), (-2.5, "d")):
        queue.put(QueueItem(number, name, prepared))
    assert ["d", "b", "a", "c"] == [each.prompt_id for each in queue.pending()]
    taken = queue.take()
    assert taken is not None
    assert ("d", ("d",), 4) == (taken.prompt_id, tuple(each.prompt_id for each in queue.running()), len(queue))
    queue.finish(taken)
    assert ((), 3) == (queue.running(), len(queue))


def test_removed_items_are_not_taken(prepared: Prepared) -> None:
    """Some by id, equal ids together, or all; what runs stays."""
    queue = PromptQueue()
    for name in ("a", "b", "b", "c"):
        queue.put(QueueItem(0, name, prepared))
    running = queue.take()
    assert ["b", "b"] == [each.prompt_id for each in queue.remove(["b", "a", "unknown"])]
    assert ["c"] == [each.prompt_id for each in queue.remove()]
    assert ((), (running,)) == (queue.pending(), queue.running())


def test_closing_wakes_who_waits() -> None:
    """A thread that waits for work ends."""
    queue = PromptQueue()
    waiting = threading.Thread(target=queue.take)
    waiting.start()
    queue.close()
    waiting.join(10)
    assert not waiting.is_alive()


def test_worker_survives_a_fault(prepared: Prepared, caplog: pytest.LogCaptureFixture) -> None:
    """What one item does to it does not concern the next."""
    queue = PromptQueue()
    done: list[str] = []
    finished = threading.Event()

    def perform(item: QueueItem) -> None:
        if item.prompt_id == "bad":
            raise RuntimeError("broken")
        done.append(item.prompt_id)
        finished.set()

    worker = Worker(queue, perform)
    queue.put(QueueItem(0, "bad", prepared))
    queue.put(QueueItem(1, "good", prepared))
    assert finished.wait(10)
    worker.close()
    assert (["good"], ()) == (done, queue.running())
    assert "bad" in caplog.text


def test_closing_a_worker_stops_what_runs(prepared: Prepared) -> None:
    """The running item is asked to stop; what waits is not begun."""
    queue = PromptQueue()
    begun: list[str] = []
    entered = threading.Event()

    def perform(item: QueueItem) -> None:
        begun.append(item.prompt_id)
        entered.set()
        while not item.interruption.requested:
            threading.Event().wait(0.001)

    worker = Worker(queue, perform)
    queue.put(QueueItem(0, "runs", prepared))
    queue.put(QueueItem(1, "waits", prepared))
    assert entered.wait(10)
    worker.close()
    assert ["runs"] == begun
