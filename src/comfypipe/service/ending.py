"""What a run's start and end leave behind: its row, what its receiver is told, what those who watch are told."""

from dataclasses import dataclass, field

from comfypipe._types import JSON, JSONObject
from comfypipe.service.rows import COMPLETED, ERROR, STARTED, RunRow
from comfypipe.service.runs import end_run, start_run
from comfypipe.service.state import Parts
from comfypipe.service.times import now_ms
from comfypipe.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Ending:
    """
    How a run ended.

    Attributes:
        files: What it saved, as the row keeps it.
        shown: What its nodes showed.
        error: Why it failed; None when it completed.
        run_time_ms: How long it was executed; None when it never was.
    """

    files: list[JSON] = field(default_factory=list)
    shown: JSONObject | None = None
    error: JSONObject | None = None
    run_time_ms: int | None = None
    download_ms: int | None = None
    attempts: int = 0
    simulated: bool = False


async def store_start(parts: Parts, run: RunRow, device: str | None) -> None:
    """Store that a run is being executed, and tell it, unless that was done before."""
    started = await parts.worker.write(lambda connection: _start(connection, parts, run, device))
    if started is not None:
        _tell(parts, started)


async def store_end(parts: Parts, run: RunRow, ending: Ending) -> None:
    """Store how a run ended, and tell it. The first end counts."""
    status = COMPLETED if ending.error is None else ERROR
    ended_ms = now_ms()
    changes = {
        "status": status,
        "ended_ms": ended_ms,
        "updated_ms": ended_ms,
        "run_time_ms": ending.run_time_ms,
        "download_ms": ending.download_ms,
        "attempts": ending.attempts,
        "simulated": int(ending.simulated),
        "output": ending.files if ending.error is None else None,
        "shown": ending.shown,
        "error": ending.error,
    }

    def write(connection: Connection) -> RunRow | None:
        if ending.error is None:
            _start(connection, parts, run, None)  # one that was over before anybody could say that it began
        ended = end_run(connection, run.id, changes)
        if ended is not None:
            parts.notices.add(connection, ended, "run.completed" if status == COMPLETED else "run.failed")
        return ended

    ended = await parts.worker.write(write)
    if ended is not None:
        _tell(parts, ended)
        parts.broadcast.tell(run.id, "end", {"status": ended.status})


def _start(connection: Connection, parts: Parts, run: RunRow, device: str | None) -> RunRow | None:
    started = start_run(connection, run.id, now_ms(), device)
    if started is not None:
        parts.notices.add(connection, started, "run.started")
    return started


def _tell(parts: Parts, run: RunRow) -> None:
    if run.webhook is not None:
        parts.notices.wake()
    if run.status == STARTED:
        parts.broadcast.tell(run.id, "status", {"status": run.status})
