"""A finding about a file, with its place: what ``validate`` prints."""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from comfypipe._types import JSONObject

Severity = Literal["error", "warning"]


class Source(Struct, frozen=True, order=True):
    """A place in a file: the path as shown to the user, with line and column counted from 1."""

    path: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class Diagnostic(Struct, frozen=True):
    """
    One thing that is wrong, where it is, and what to do about it.

    Attributes:
        code: Stable kebab-case name of the kind of finding, such as ``unknown-key``.
        message: What was found, in one line.
        source: Where; None when it belongs to no file.
        hint: What to do, where something helpful can be said.
    """

    code: str
    message: str
    source: Source | None = None
    hint: str | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.source} " if self.source else ""
        kind = "warning " if self.severity == "warning" else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{place}{kind}{self.code}: {self.message}{hint}"

    def to_json(self) -> JSONObject:
        """Return the finding as a JSON object, for ``--json``."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "path": self.source.path if self.source else None,
            "line": self.source.line if self.source else None,
            "column": self.source.column if self.source else None,
            "hint": self.hint,
        }


def did_you_mean(name: str, candidates: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the hint ``did you mean X?`` for the candidate closest to *name*, or None when none is at all alike."""
    from difflib import get_close_matches  # a mistake is rare: its cost stays off the start-up path

    matches = get_close_matches(name, list(candidates), n=1, cutoff=likeness)
    return f"did you mean {matches[0]}?" if matches else None
