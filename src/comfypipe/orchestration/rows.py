"""The rows of a batch, read from a file a piece at a time: flows pass where they are, not what they hold."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from comfypipe._types import JSONObject
from comfypipe.diagnostics import Source
from comfypipe.errors import InputInvalid, UsageError


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    Some rows of a file: small enough to be a task's parameter, whatever they hold.

    Attributes:
        path: CSV in UTF-8 with a line of names, or JSONL with an object a line.
        first: Number of the first row, counted from 0.
        count: How many rows.
        offset: Where the first row begins, in bytes; 0 is the beginning of the file.
        line: The line before the first row, counted from 1.
    """

    path: str
    first: int
    count: int
    offset: int = 0
    line: int = 0

    def rows(self) -> Iterator[JSONObject]:
        """
        Yield the rows, one at a time, as inputs by name; empty cells of a CSV file count as left out.

        Raises:
            InputInvalid: A line cannot be read.
            UsageError: The file cannot be read.
        """
        return (row for row, _ in islice(_read(Path(self.path), self.offset, self.line), self.count))


def chunks(path: Path, size: int) -> tuple[Chunk, ...]:
    """
    Divide the rows of *path* into chunks of *size*. Reads the file once, holding one row at a time.

    Raises:
        InputInvalid: A line cannot be read.
        UsageError: The file cannot be read, or is of no kind that rows can be read from.
    """
    found: list[Chunk] = []
    first = count = 0
    begin = _Place()
    for number, (_, end) in enumerate(_read(path), 1):
        count = number - first
        if count == size:
            found.append(Chunk(str(path), first, count, begin.offset, begin.line))
            first, count, begin = number, 0, end
    return (*found, Chunk(str(path), first, count, begin.offset, begin.line)) if count else tuple(found)


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int = 0
    line: int = 0


class _Lines:
    """The lines of a file as text, counted; a byte order mark is left out."""

    def __init__(self, file: BinaryIO, shown: str, offset: int, line: int) -> None:
        self._file = file
        self._shown = shown
        self._offset = offset
        self.line = line

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            start = self._offset == 0
            self._offset += len(line)
            self.line += 1
            try:
                yield line.decode("utf-8-sig" if start else "utf-8")
            except UnicodeDecodeError as error:
                raise self.fault(f"not UTF-8: {error.reason}") from error

    @property
    def place(self) -> _Place:
        """Where the next line begins."""
        return _Place(self._offset, self.line)

    def fault(self, message: str) -> InputInvalid:
        """Return an error at the line that was read last."""
        return InputInvalid(message, source=Source(self._shown, max(1, self.line)))

    def skip_to(self, offset: int, line: int) -> None:
        """Go on at a place that was reached before."""
        self._file.seek(offset)
        self._offset, self.line = offset, line


Reader = Callable[[_Lines, _Place], Iterator[JSONObject]]


def _read(path: Path, offset: int = 0, line: int = 0) -> Iterator[tuple[JSONObject, _Place]]:
    """Yield each row with the place after it."""
    readers: dict[str, Reader] = {".csv": _read_csv, ".jsonl": _read_jsonl, ".ndjson": _read_jsonl}
    if path.suffix.lower() not in readers:
        raise UsageError(f"{path} is neither CSV nor JSONL", hint="name the file .csv or .jsonl")
    try:
        with path.open("rb") as file:
            lines = _Lines(file, str(path), 0, 0)
            for row in readers[path.suffix.lower()](lines, _Place(offset, line)):
                yield row, lines.place
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _read_csv(lines: _Lines, begin: _Place) -> Iterator[JSONObject]:
    try:
        names = next(csv.reader(lines, strict=True), [])
        if begin.offset:
            lines.skip_to(begin.offset, begin.line)
        for cells in csv.reader(lines, strict=True):
            if len(cells) > len(names):
                raise lines.fault(f"{len(cells)} cells, but {len(names)} names in the first line")
            if cells:
                yield {name: cell for name, cell in zip(names, cells, strict=False) if cell}
    except csv.Error as error:
        raise lines.fault(f"not CSV: {error}") from error


def _read_jsonl(lines: _Lines, begin: _Place) -> Iterator[JSONObject]:
    lines.skip_to(begin.offset, begin.line)
    for line in lines:
        if line.strip():
            yield _parsed(line, lines)


def _parsed(line: str, lines: _Lines) -> JSONObject:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise lines.fault(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise lines.fault("the line is not a JSON object")
    return row
