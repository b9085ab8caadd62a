"""When a receiver is told again."""

import pytest

from comfypipe.service.webhooks.outbox import DELIVERED, DISABLED, FAILED, PENDING
from comfypipe.service.webhooks.schedule import Verdict, judge
from comfypipe.service.webhooks.sending import Answer

FAILING = Answer(500, "it answered 500")
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    """After each failed attempt the next one is due as the schedule says, until there is none."""
    waits = [5000, 5 * MINUTE_MS, 30 * MINUTE_MS, *(each * HOUR_MS for each in (2, 5, 10, 14, 20, 24))]
    expected = [Verdict(PENDING, 1000 + wait) for wait in waits] + [Verdict(FAILED)]
    assert expected == [judge(FAILING, tries, 1000, jitter=lambda: 0.0) for tries in range(1, 11)]


def test_jitter_makes_it_later_by_a_fifth_at_most() -> None:
    """Those who failed together come back apart."""
    assert Verdict(PENDING, 6000) == judge(FAILING, 1, 0, jitter=lambda: 1.0)


@pytest.mark.parametrize(("seconds", "expected_ms"), [(2, 5000), (60, 60_000), (1e9, 24 * HOUR_MS)])
def test_a_receiver_may_ask_for_more_time(seconds: float, expected_ms: int) -> None:
    """``Retry-After`` makes it later, never earlier, and by a day at most."""
    answer = Answer(503, "it answered 503", retry_after_s=seconds)
    assert Verdict(PENDING, expected_ms) == judge(answer, 1, 0, jitter=lambda: 0.0)


def test_what_ends_it() -> None:
    """Success, 410 and a URL that may not be asked for leave nothing to be tried again."""
    assert Verdict(DELIVERED) == judge(Answer(204), 1, 0)
    assert Verdict(DISABLED, gone=True) == judge(Answer(410, "it answered 410 Gone"), 1, 0)
    assert Verdict(FAILED) == judge(Answer(error="refused", refused=True), 1, 0)
