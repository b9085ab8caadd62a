"""Whether a place in JSON text lies inside a string: what decides how a value is escaped there."""

import re
from dataclasses import dataclass, field

OUTSIDE, INSIDE = 0, 1
"""The two ways a piece of template can be entered, and index into what is known for each."""

_STRING_REST = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_UNFINISHED_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{0,3}\Z")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a piece of template cannot be entered in one of the two ways."""

    message: str
    line: int


def advance(text: str, inside: bool) -> tuple[bool, bool]:
    """
    Follow literal *text*.

    Returns:
        Whether a string is open at its end; whether it ends amid an escape sequence, which a value that comes next
        would complete.
    """
    at = 0
    while at < len(text):
        if not inside:
            quote = text.find('"', at)
            if quote < 0:
                return False, False
            inside, at = True, quote + 1
            continue
        found = _STRING_REST.match(text, at)
        end = found.end() if found else at
        if end == len(text):
            return True, _UNFINISHED_ESCAPE.search(text, at) is not None
        if text[end] == "\\":  # the very last character: an escaped one would have been taken
            return True, True
        inside, at = False, end + 1
    return inside, False


@dataclass
class Position:
    """
    What is known about the place that the walk over a template has reached, for both ways of entering it.

    A macro or an included file can be used inside a string or outside; only its caller decides. So both are followed,
    and a body has to work out for at least one.
    """

    states: list[bool | Fault] = field(default_factory=lambda: [False, True])

    def literal(self, text: str, line: int) -> None:
        """Move over literal text that begins in *line*."""
        for entry, state in enumerate(self.states):
            if isinstance(state, Fault):
                continue
            inside, amid_escape = advance(text, state)
            self.states[entry] = inside
            if amid_escape:
                last = line + text.count("\n")
                self.states[entry] = Fault("a tag follows an unfinished escape: its text would complete it", last)

    def copy(self) -> "Position":
        """Return the same knowledge, to come back to."""
        return Position(list(self.states))

    def settle(self, before: "Position", what: str, line: int) -> None:
        """Return to *before*; a way of entering in which a string was left open or closed becomes a fault."""
        for entry, (was, now) in enumerate(zip(before.states, self.states, strict=True)):
            if isinstance(was, Fault):
                self.states[entry] = was
            elif not isinstance(now, Fault) and now is not was:
                change = "opens a string that it does not close" if now else "closes a string that it did not open"
                self.states[entry] = Fault(f"{what} {change}", line)

    def ways(self) -> tuple[int, int]:
        """Return, for each way of entering, whether a string is open here (0, 1), or -1 where it does not work."""
        outside, inside = (-1 if isinstance(state, Fault) else int(state) for state in self.states)
        return outside, inside

    def faults(self) -> tuple[Fault | None, Fault | None]:
        """Return what speaks against each way of entering."""
        outside, inside = (state if isinstance(state, Fault) else None for state in self.states)
        return outside, inside
