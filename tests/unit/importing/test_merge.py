"""Two people's changes to one text."""

from hypothesis import given
from hypothesis import strategies as st

from comfypipe.importing.merge import Conflict, merge

BASE = "a\nb\nc\nd\ne\n"
LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n"]), max_size=8).map("".join)


def test_changes_in_different_places_are_both_kept() -> None:
    """One changed the first line, the other the last."""
    assert ("A\nb\nc\nd\nE\n", ()) == merge(BASE, "A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n")


def test_insertions_and_removals_come_in() -> None:
    """Lines that one added and lines that the other took away."""
    assert ("a\nnew\nb\nc\nd\n", ()) == merge(BASE, "a\nnew\nb\nc\nd\ne\n", "a\nb\nc\nd\n")


def test_the_same_change_is_no_conflict() -> None:
    """Both wrote the same."""
    assert ("a\nX\nc\nd\ne\n", ()) == merge(BASE, "a\nX\nc\nd\ne\n", "a\nX\nc\nd\ne\n")


def test_different_changes_of_a_line_stay_ours_and_are_told() -> None:
    """With the line in our text."""
    merged, conflicts = merge(BASE, "0\na\nours\nc\nd\ne\n", "a\ntheirs\nc\nd\ne\n")
    assert merged == "0\na\nours\nc\nd\ne\n"
    assert conflicts == (Conflict(3, ("b\n",), ("ours\n",), ("theirs\n",)),)


@given(LINES, LINES)
def test_what_only_one_changed_is_theirs(base: str, other: str) -> None:
    """Nothing changed on one side: the other side is the result."""
    assert (other, ()) == merge(base, base, other)
    assert (other, ()) == merge(base, other, base)
    assert (other, ()) == merge(base, other, other)


@given(LINES, LINES, LINES)
def test_merging_never_loses_our_text_without_need(base: str, ours: str, theirs: str) -> None:
    """Merging with what we have changes nothing, whatever the base was."""
    merged, conflicts = merge(base, ours, theirs)
    if not conflicts and theirs == base:
        assert ours == merged
