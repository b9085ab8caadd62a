"""How much a batch may do before it stops, and why it did."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How much may be done. Whatever limit is reached, what is in flight is finished, and the same request goes on later.

    Attributes:
        concurrency: Rows that are worked on at once; None lets the backend say.
        max_failures: Failed rows, in this session.
        max_runs: Rows that are begun, in this session.
        max_time_s: After which no row is begun, in this session.
        max_cost: Of the whole batch, in the currency of the prices.
        retry_failed: Rows that failed for good are tried again too.
    """

    concurrency: int | None = None
    max_failures: int | None = None
    max_runs: int | None = None
    max_time_s: float | None = None
    max_cost: float | None = None
    retry_failed: bool = False


class Stop(StrEnum):
    """Why a batch stopped before its last row."""

    FAILURES = "failures"
    RUNS = "runs"
    TIME = "time"
    COST = "cost"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    UNAVAILABLE = "unavailable"
    STORE = "store"

    @property
    def is_limit(self) -> bool:
        """Whether it was asked for beforehand."""
        return self in (Stop.RUNS, Stop.TIME, Stop.COST)
