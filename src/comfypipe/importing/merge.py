"""Two people's changes to one text, brought together line by line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Conflict:
    """Lines that both changed, each otherwise; counted from 1 in the text that is *ours*."""

    line: int
    base: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]


def merge(base: str, ours: str, theirs: str) -> tuple[str, tuple[Conflict, ...]]:
    """Return *ours* with what *theirs* changed of *base*, and where both changed the same lines; those stay ours."""
    lines = [text.splitlines(keepends=True) for text in (base, ours, theirs)]
    merged: list[str] = []
    conflicts: list[Conflict] = []
    line = 1
    for was, mine, their in _regions(*lines):
        if mine in (was, their):
            merged.extend(their)
        elif their == was:
            merged.extend(mine)
        else:
            merged.extend(mine)
            conflicts.append(Conflict(line, tuple(was), tuple(mine), tuple(their)))
        line += len(mine)
    return "".join(merged), tuple(conflicts)


def _regions(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> Iterator[tuple[Sequence[str], Sequence[str], Sequence[str]]]:
    """Yield the texts in stretches: those that all three have in common, and those between."""
    at_base = at_ours = at_theirs = 0
    for start, end, in_ours, in_theirs in (
        *_common(base, ours, theirs),
        (len(base), len(base), len(ours), len(theirs)),
    ):
        yield base[at_base:start], ours[at_ours:in_ours], theirs[at_theirs:in_theirs]
        size = end - start
        yield base[start:end], ours[in_ours : in_ours + size], theirs[in_theirs : in_theirs + size]
        at_base, at_ours, at_theirs = end, in_ours + size, in_theirs + size


def _common(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield stretches of *base* that both others have: start, end, start in ours, start in theirs."""
    mine = SequenceMatcher(None, base, ours, autojunk=False).get_matching_blocks()
    their = SequenceMatcher(None, base, theirs, autojunk=False).get_matching_blocks()
    one = other = 0
    while one < len(mine) and other < len(their):
        a, b = mine[one], their[other]
        start, end = max(a.a, b.a), min(a.a + a.size, b.a + b.size)
        if start < end:
            yield start, end, a.b + start - a.a, b.b + start - b.a
        if a.a + a.size <= b.a + b.size:
            one += 1
        else:
            other += 1
