"""All printing of the command line: results on stdout, narration on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from comfypipe._types import JSON
from comfypipe.diagnostics import Diagnostic
from comfypipe.errors import ComfypipeError


@dataclass(frozen=True, slots=True)
class Console:
    """
    Where a command's words go.

    Attributes:
        as_json: Results are one JSON document on stdout, whatever happens.
        quiet: Narration is left out; errors are not.
    """

    as_json: bool = False
    quiet: bool = False

    @property
    def live(self) -> bool:
        """Whether somebody watches: progress may redraw itself."""
        return sys.stderr.isatty() and not self.quiet and not self.as_json

    def result(self, text: str) -> None:
        """Print a result for people; nothing when the result is JSON."""
        if not self.as_json:
            print(text)  # noqa: T201

    def document(self, value: JSON) -> None:
        """Print *value* as the JSON result; nothing when the result is text."""
        if self.as_json:
            print(to_text(value))  # noqa: T201

    def line(self, value: JSON) -> None:
        """Print *value* as one line of JSON, at once: for programs that read while the command goes on."""
        if self.as_json:
            print(json.dumps(value), flush=True)  # noqa: T201

    def say(self, text: str) -> None:
        """Tell what is going on."""
        if not self.quiet:
            print(text, file=sys.stderr)  # noqa: T201

    def diagnostics(self, found: Iterable[Diagnostic]) -> None:
        """Print diagnostics to stderr, each with its place and hint."""
        for each in found:
            print(each, file=sys.stderr)  # noqa: T201

    def error(self, error: ComfypipeError) -> None:
        """Print an error to stderr and, as JSON, to stdout where that is asked for."""
        found = getattr(error, "diagnostics", ())
        if found:
            self.diagnostics(found)
        else:
            print(error, file=sys.stderr)  # noqa: T201
        self.document({"error": error.to_json()})


def to_text(value: JSON) -> str:
    """Return *value* as JSON for people and programs: indented, and readable beyond ASCII."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def columns(rows: Sequence[Sequence[str]], *, gap: str = "  ") -> str:
    """Return *rows* as aligned columns, the last one ragged."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def plural(count: int, noun: str) -> str:
    """Return ``1 run`` or ``3 runs``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
