"""When a receiver that did not take an event is told again."""

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom

from comfypipe.service.webhooks.outbox import DELIVERED, DISABLED, FAILED, PENDING
from comfypipe.service.webhooks.sending import Answer

_MINUTE_S, _HOUR_S = 60, 3600
DELAYS_S = (
    0,
    5,
    5 * _MINUTE_S,
    30 * _MINUTE_S,
    2 * _HOUR_S,
    5 * _HOUR_S,
    10 * _HOUR_S,
    14 * _HOUR_S,
    20 * _HOUR_S,
    24 * _HOUR_S,
)
"""Before each attempt, since the one before it."""

_JITTER = 0.2
_LONGEST_S = 24 * _HOUR_S
_GONE = 410

_random = SystemRandom().random


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What an attempt comes to.

    Attributes:
        state: Of the event after it.
        next_ms: When the next one is due; None when there is none.
        gone: Whether the URL gets nothing any more.
    """

    state: str
    next_ms: int | None = None
    gone: bool = False


def judge(answer: Answer, tries: int, now_ms: int, *, jitter: Callable[[], float] = _random) -> Verdict:
    """
    Return what becomes of an event.

    Args:
        tries: Attempts at it, this one included.
        jitter: Gives 0 to 1: how much later than the schedule says, so that those who failed together part.
    """
    if answer.delivered:
        return Verdict(DELIVERED)
    if answer.status == _GONE:
        return Verdict(DISABLED, gone=True)
    if answer.refused or tries >= len(DELAYS_S):
        return Verdict(FAILED)
    delay_s = DELAYS_S[tries] * (1 + _JITTER * jitter())
    asked_s = min(answer.retry_after_s or 0.0, _LONGEST_S)
    return Verdict(PENDING, now_ms + round(1000 * max(delay_s, asked_s)))
