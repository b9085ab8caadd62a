"""How long the client waits for what."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiTiming:
    """
    How long the client waits for what.

    Attributes:
        first_poll_s: Before a run is asked for the second time; each further wait is longer by half.
        longest_poll_s: Between two polls, at most.
        told_poll_s: The same, of runs whose end is told by an event or a webhook: it may get lost.
        create_s: How long a create may take to be answered.
        settle_s: How long one whose reply was lost may take to show in the list of runs.
        unreachable_s: How long a silent or overloaded API is asked again before that is an error.
        longest_wait_s: No ``Retry-After`` is waited for longer.
        cancel_s: How long a run may take to stop.
        skew_s: How far the API's clock may be from ours.
        jitter: Draws from 0 to 1.
    """

    first_poll_s: float = 0.25
    longest_poll_s: float = 8.0
    told_poll_s: float = 20.0
    create_s: float = 120.0
    settle_s: float = 60.0
    unreachable_s: float = 60.0
    longest_wait_s: float = 120.0
    cancel_s: float = 15.0
    skew_s: float = 300.0
    jitter: Callable[[], float] = random.random

    def poll_delay_s(self, polls: int, *, told: bool = False) -> float:
        """Return how long to wait after this many polls: first quickly, then slower, never all runs together."""
        longest = self.told_poll_s if told else self.longest_poll_s
        return min(longest, self.first_poll_s * 1.5 ** min(polls - 1, 64)) * (0.75 + 0.5 * self.jitter())

    def retry_delay_s(self, failures: int, asked: float | None) -> float:
        """Return how long to wait after a failed request: as long as the API *asked* for, else longer each time."""
        if asked is not None:
            return min(asked, self.longest_wait_s) + 0.2 * self.jitter()
        return min(self.longest_poll_s, self.first_poll_s * 2.0 ** min(failures, 64)) * (0.5 + 0.5 * self.jitter())
