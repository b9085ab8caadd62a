"""Where things stand in JSON text: the position of every key, without building the values."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_LEFTOVER_COMMA = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|,(?=\s*[}\]])', re.DOTALL)
_MAYBE_LEFTOVER = re.compile(r",\s*[}\]]")


@dataclass(frozen=True, slots=True)
class Member:
    """
    One key of an object.

    Attributes:
        path: The keys that lead to it, its own last; None stands for a place in an array.
        offset: Where its opening quote stands.
        owner: A number that its object shares with no other.
    """

    path: tuple[str | None, ...]
    offset: int
    owner: int


@dataclass(slots=True)
class _Open:
    is_object: bool
    number: int
    expects_key: bool
    key: str | None = None


def members(text: str) -> Iterator[Member]:
    """Yield every key in *text*, which is valid JSON, in the order of the text."""
    stack: list[_Open] = []
    opened = 0
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        top = stack[-1] if stack else None
        if first in "{[":
            opened += 1
            stack.append(_Open(first == "{", opened, first == "{"))
        elif first in "}]":
            del stack[-1:]
        elif top is None or not top.is_object:
            continue
        elif first == ",":
            top.expects_key = True
        elif first == '"' and top.expects_key:
            top.key, top.expects_key = json.loads(token[0], strict=False), False
            yield Member(tuple(each.key for each in stack), token.start(), top.number)


def key_offsets(text: str, depth: int) -> dict[tuple[str | None, ...], int]:
    """Return the offset of each key by its path, for paths of at most *depth* keys."""
    return {member.path: member.offset for member in members(text) if len(member.path) <= depth}


def first_duplicate(text: str) -> tuple[Member, Member] | None:
    """Return the first two members of one object that have the same key."""
    seen: dict[tuple[int, str | None], Member] = {}
    for member in members(text):
        earlier = seen.setdefault((member.owner, member.path[-1]), member)
        if earlier is not member:
            return earlier, member
    return None


def numbers(text: str) -> Iterator[tuple[str, int]]:
    """Yield every token outside strings that is no punctuation (numbers, ``true``, ``NaN``, …) with its offset."""
    for token in _TOKEN.finditer(text):
        if token[0][0] not in '"{}[],:':
            yield token[0], token.start()


def may_have_leftover_commas(text: str) -> bool:
    """Tell quickly whether a comma stands before ``}`` or ``]``, be it in a string."""
    return _MAYBE_LEFTOVER.search(text) is not None


def without_leftover_commas(text: str) -> str:
    """Blank out commas that stand before ``}`` or ``]``, outside strings; every other offset stays."""
    return _LEFTOVER_COMMA.sub(lambda found: found[1] or " ", text)
