"""Token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from comfypipe.service.limits import Rate, RateLimiter, too_many


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    """After the burst, a turn comes when the rate says so, and not before."""
    clock = Clock()
    limiter = RateLimiter(Rate(per_s=2, burst=3), clock=clock)
    assert [0, 0, 0, 0.5] == [limiter.take("a") for _ in range(4)]
    clock.now = 0.25
    assert 0.25 == limiter.take("a")
    clock.now = 0.5
    assert [0, 0.5] == [limiter.take("a"), limiter.take("a")]


def test_buckets_are_each_ones_own() -> None:
    """One that is empty says nothing about another."""
    limiter = RateLimiter(Rate(per_s=1, burst=1), clock=Clock())
    assert [0, 1, 0] == [limiter.take("a"), limiter.take("a"), limiter.take("b")]


def test_without_a_rate_there_is_no_limit() -> None:
    """None lets everybody."""
    limiter = RateLimiter(None)
    assert {0} == {limiter.take("a") for _ in range(1000)}


@given(st.lists(st.floats(0, 2), max_size=200), st.floats(0.5, 50), st.integers(1, 20))
def test_nobody_gets_more_than_burst_and_rate(pauses: list[float], per_s: float, burst: int) -> None:
    """In any time, at most the burst and what the rate gives for that time is let through."""
    clock = Clock()
    limiter = RateLimiter(Rate(per_s, burst), clock=clock)
    through = 0
    for pause in pauses:
        clock.now += pause
        through += limiter.take("a") == 0
    assert through <= burst + clock.now * per_s + 1e-6


def test_buckets_do_not_pile_up() -> None:
    """Names that anybody can make up do not fill the memory."""
    limiter = RateLimiter(Rate(per_s=1, burst=1), clock=Clock())
    for number in range(20_000):
        limiter.take(str(number))
    assert 16_384 == len(limiter._buckets)


def test_the_answer_names_whole_seconds() -> None:
    """``Retry-After`` is rounded up, and is one second at least."""
    assert ["1", "1", "3"] == [too_many(each).headers["Retry-After"] for each in (0.01, 1, 2.1)]
