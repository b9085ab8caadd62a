"""The lines of a text file, counted, each of bounded length: a file of any size is read a line at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

LONGEST_LINE_BYTES = 16 << 20
"""A longer line is no row, and is passed over without being held in memory."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a row begins.

    Attributes:
        offset: In bytes; in a Parquet file in rows.
        line: The line before it, counted from 1.
    """

    offset: int = 0
    line: int = 0


class BadLine(ValueError):
    """A line that no row can be read from; those after it can be."""


class Lines(Iterator[str]):
    """
    The lines of a UTF-8 file from a place on; a byte order mark is left out.

    Iterating may go on after a `BadLine`.
    """

    def __init__(self, file: BinaryIO, begin: Place = Place()) -> None:
        self._file = file
        self.skip_to(begin)

    def skip_to(self, place: Place) -> None:
        """Go on at a place that was reached before."""
        self._file.seek(place.offset)
        self._offset, self._line = place.offset, place.line

    @property
    def place(self) -> Place:
        """Where the next line begins."""
        return Place(self._offset, self._line)

    def __next__(self) -> str:
        start, line = self._offset == 0, self._file.readline(LONGEST_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self._offset += len(line)
        self._line += 1
        if len(line) > LONGEST_LINE_BYTES:
            self._pass_over_rest()
            raise BadLine(f"the line is longer than {LONGEST_LINE_BYTES >> 20} MiB")
        try:
            return line.decode("utf-8-sig" if start else "utf-8")
        except UnicodeDecodeError as error:
            raise BadLine(f"not UTF-8: {error.reason}") from error

    def _pass_over_rest(self) -> None:
        while rest := self._file.readline(LONGEST_LINE_BYTES):
            self._offset += len(rest)
            if rest.endswith(b"\n"):
                return
