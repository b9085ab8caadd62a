"""How a batch stands: counted as it goes on, never held by row."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from comfypipe._types import JSONObject
from comfypipe.batch.limits import Stop
from comfypipe.execution import events


@dataclass(slots=True)
class Tally:
    """
    How a batch stands.

    Attributes:
        rows: How many there are.
        before: Rows that were done before this session.
        failed_before: Rows that failed before, and are left as they are.
        begun: Rows that were begun in this session.
        completed: In this session, those from the store included.
        cached: Of those, those that nothing was executed for.
        failed: In this session.
        passing: Of those, those that may go well later.
        running: By server, how many prompts it has.
        cost: Of the whole batch; None where nothing has a price.
        mean_cost: Of a run that was executed, as far as it is known.
        mean_s: Seconds of execution of such a run.
    """

    rows: int = 0
    invalid: int = 0
    repeated: int = 0
    before: int = 0
    failed_before: int = 0
    begun: int = 0
    completed: int = 0
    cached: int = 0
    simulated: int = 0
    failed: int = 0
    passing: int = 0
    cost: float | None = None
    mean_cost: float | None = None
    mean_s: float | None = None
    stop: Stop | None = None
    began_s: float = field(default_factory=time.monotonic)
    running: dict[str, int] = field(default_factory=dict)
    _where: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Rows that are completed."""
        return self.before + self.completed

    @property
    def settled(self) -> int:
        """Rows that nothing will be done for any more in this session."""
        return self.done + self.failed + self.failed_before + self.invalid

    @property
    def left(self) -> int:
        """Rows that are still to be done."""
        return max(0, self.rows - self.settled)

    @property
    def in_flight(self) -> int:
        """Rows that were begun and have not ended."""
        return max(0, self.begun - self.completed - self.failed)

    @property
    def seconds(self) -> float:
        """How long this session has taken."""
        return time.monotonic() - self.began_s

    @property
    def rate(self) -> float:
        """Rows a second, in this session."""
        return (self.completed + self.failed) / self.seconds if self.seconds > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """How long the rest will take, as far as this session tells."""
        return self.left / self.rate if self.rate else None

    def hear(self, event: events.Event) -> None:
        """Take in what happens to a run: where its prompts are."""
        match event:
            case events.JobQueued():
                self._move(event, event.server or event.backend)
            case events.JobFinished() | events.JobFailed() | events.JobRetried():
                self._move(event, None)

    def _move(self, event: Any, server: str | None) -> None:
        job = f"{event.run_id}/{event.step}/{event.item}"
        before = self._where.pop(job, None)
        if before is not None:
            self.running[before] -= 1
        if server is not None:
            self._where[job] = server
            self.running[server] = self.running.get(server, 0) + 1

    def counts(self) -> JSONObject:
        """Return the counts as a JSON object."""
        return {
            "rows": self.rows,
            "completed": self.done,
            "failed": self.failed + self.failed_before,
            "invalid": self.invalid,
            "left": self.left,
            "cached": self.cached,
            "simulated": self.simulated,
            "repeated": self.repeated,
        }

    def to_json(self) -> JSONObject:
        """Return everything as a JSON object, for those who follow a batch."""
        return self.counts() | {
            "in_flight": self.in_flight,
            "running": {server: count for server, count in self.running.items() if count},
            "seconds": round(self.seconds, 3),
            "rows_per_s": round(self.rate, 3),
            "left_s": round(self.left_s, 1) if self.left_s is not None else None,
            "cost": self.cost,
        }


Tell: TypeAlias = Callable[[str, JSONObject], None]
"""Is told the kind of an event (``checking``, ``checked``, ``row``, ``progress``, ``stopping``), and what of it."""


def tell_nobody(_kind: str, _about: JSONObject) -> None:
    """Tell nobody."""
