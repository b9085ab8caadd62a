"""How long to wait before another try, and which faults are worth one."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from comfypipe.errors import ComfypipeError, OutOfMemory


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How long execution waits for what.

    Attributes:
        first_delay_s: Before the second try; each further one waits twice as long.
        longest_delay_s: No wait is longer.
        grace_s: How long a submission whose reply was lost may take to show itself before it is sent again.
        cancel_s: How long a backend may take to stop a run.
        outage_s: How long nobody may listen where a backend was before that counts as a fault: servers restart.
        jitter: Draws from 0 to 1, so that many that failed together do not come back together.
    """

    first_delay_s: float = 1.0
    longest_delay_s: float = 30.0
    grace_s: float = 3.0
    cancel_s: float = 15.0
    outage_s: float = 60.0
    jitter: Callable[[], float] = random.random

    def delay_s(self, faults: int) -> float:
        """Return how long to wait after this many faults: between half and all of a doubling time."""
        longest = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(faults - 1, 32))
        return longest * (0.5 + 0.5 * self.jitter())


def worth_another_try(error: ComfypipeError, faults: int, attempts: int, accelerators_left: int) -> bool:
    """
    Return whether a job is to be tried again after *error*.

    Args:
        faults: How many there were, this one included.
        attempts: How many tries the manifest allows.
        accelerators_left: How many larger accelerators are left: without one, out of memory is final.
    """
    if not error.retryable or faults >= attempts:
        return False
    return accelerators_left > 0 if isinstance(error, OutOfMemory) else True
