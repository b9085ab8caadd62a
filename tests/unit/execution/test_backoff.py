"""When to try again, and after how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.errors import BackendRejected, BackendUnavailable, ComfypipeError, OutOfMemory, RunFailed, RunTimedOut
from comfypipe.execution.backoff import Patience, worth_another_try


def test_waits_double_up_to_a_limit() -> None:
    """Without jitter's luck, waits are 1, 2, 4, … and never longer than the limit."""
    patience = Patience(first_delay_s=1, longest_delay_s=10, jitter=lambda: 1.0)
    assert [1, 2, 4, 8, 10, 10] == [patience.delay_s(faults) for faults in range(1, 7)]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_spreads_the_second_half(faults: int, luck: float) -> None:
    """Every wait lies between half and all of its doubling time, however many faults there were."""
    longest = Patience(jitter=lambda: 1.0).delay_s(faults)
    assert longest / 2 <= Patience(jitter=lambda: luck).delay_s(faults) <= longest <= 30


@pytest.mark.parametrize(
    ("error", "faults", "left", "expected"),
    [
        (BackendUnavailable(""), 1, 0, True),
        (BackendUnavailable(""), 3, 0, False),
        (OutOfMemory(""), 1, 1, True),
        (OutOfMemory(""), 1, 0, False),
        (RunFailed(""), 1, 5, False),
        (RunTimedOut(""), 1, 5, False),
        (BackendRejected(""), 1, 5, False),
    ],
)
def test_only_faults_that_time_or_memory_mends_are_tried_again(
    error: ComfypipeError, faults: int, left: int, expected: bool
) -> None:
    """Retryable faults are tried again while tries are left, out of memory while larger accelerators are."""
    assert expected is worth_another_try(error, faults, 3, left)
