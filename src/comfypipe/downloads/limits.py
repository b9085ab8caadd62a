"""How much a download may bring, how long it may take, how often it is tried."""

import random
from collections.abc import Callable
from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a download may cost.

    Attributes:
        max_bytes: Of one file, declared or received.
        connect_s: For a connection to be made.
        stall_s: Without a single byte.
        total_s: For all tries together.
        faults: How often it may break off without having come further than before.
        redirects: How many are followed.
        first_delay_s: Before the second try; each further one waits twice as long.
        longest_delay_s: No wait is longer, except when the server asks for it.
        longest_wait_s: A server that asks for a longer wait is not waited for.
        jitter: Draws from 0 to 1, so that many that failed together do not come back together.
    """

    max_bytes: int = 64 * GIB
    connect_s: float = 10.0
    stall_s: float = 30.0
    total_s: float = 6 * 3600.0
    faults: int = 5
    redirects: int = 10
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    longest_wait_s: float = 300.0
    jitter: Callable[[], float] = random.random

    def delay_s(self, faults: int) -> float:
        """Return how long to wait after so many faults: between half and all of a doubling time."""
        return min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(faults - 1, 32)) * (0.5 + 0.5 * self.jitter())
