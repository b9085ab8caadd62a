"""Approval: what an answer leaves of the pictures."""

from pathlib import Path

import pytest

from comfypipe.errors import InputInvalid, RunCancelled
from comfypipe.execution.records import Output
from comfypipe.orchestration.approval import Approval, kept

PICTURES = [Output(Path(name), name, name * 64, 1, "image/png") for name in "abc"]


@pytest.mark.parametrize(("leave_out", "expected"), [([], "abc"), ([2], "ac"), ([3, 1, 1], "b")])
def test_the_rest_goes_on_in_order(leave_out: list[int], expected: str) -> None:
    """Pictures go on in their order, but for the numbers that are left out."""
    assert list(expected) == [each.filename for each in kept(PICTURES, Approval(leave_out=leave_out))]


def test_turned_down() -> None:
    """What is not approved ends the run as cancelled."""
    with pytest.raises(RunCancelled, match="turned down"):
        kept(PICTURES, Approval(approved=False))


@pytest.mark.parametrize(("leave_out", "expected"), [([4], "there is no picture 4"), ([1, 2, 3], "every picture")])
def test_an_answer_that_makes_no_sense(leave_out: list[int], expected: str) -> None:
    """Numbers that no picture has, and leaving out all of them, are errors that say so."""
    with pytest.raises(InputInvalid, match=expected):
        kept(PICTURES, Approval(leave_out=leave_out))
