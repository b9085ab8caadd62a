"""How often somebody may ask: token buckets, one for each key and, for those without one, each address."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from comfypipe.service.errors import Problem

_BUCKETS = 16_384
"""How many are remembered: those asked for longest ago are full again, or as good as."""


@dataclass(frozen=True, slots=True)
class Rate:
    """
    How often something may happen.

    Attributes:
        per_s: In the long run.
        burst: At once.
    """

    per_s: float
    burst: float


_BURST_S = 5.0
"""For how many seconds' worth of requests may come at once."""

ADDRESS_RATE = Rate(per_s=5.0, burst=50.0)
"""For an address whose requests come with no key that is right: nobody guesses 32 random bytes at that rate."""


def rate_of(per_s: float) -> Rate | None:
    """Return the rate of so many requests a second, five seconds' worth of them at once; None for 0: no limit."""
    return Rate(per_s, max(1.0, per_s * _BURST_S)) if per_s else None


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float


class RateLimiter:
    """
    Lets each name do something as often as *rate* says.

    Args:
        rate: The same for all; None for no limit.
        clock: Seconds.
    """

    def __init__(self, rate: Rate | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, name: str) -> float:
        """Take a turn and return 0, or take none and return how many seconds there are until the next one."""
        if self._rate is None:
            return 0.0
        bucket = self._bucket(name, self._rate)
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._rate.per_s
        bucket.tokens -= 1
        return 0.0

    def _bucket(self, name: str, rate: Rate) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(rate.burst, now)
            if len(self._buckets) > _BUCKETS:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(name)
        bucket.tokens = min(rate.burst, bucket.tokens + (now - bucket.filled_s) * rate.per_s)
        bucket.filled_s = now
        return bucket


def too_many(wait_s: float) -> Problem:
    """Return the answer to whoever asked too often: when to come back is in ``Retry-After``, in whole seconds."""
    seconds = max(1, math.ceil(wait_s))
    return Problem(
        429, "rate-limited", f"too many requests: try again in {seconds} s", headers={"Retry-After": str(seconds)}
    )
