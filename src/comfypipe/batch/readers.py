"""Rows as files hold them: CSV, JSONL and Parquet, one at a time, from any place on."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from comfypipe._types import JSONObject
from comfypipe.batch.lines import BadLine, Lines, Place
from comfypipe.diagnostics import Source
from comfypipe.errors import InputInvalid, UsageError

_AT_ONCE = 1000
"""Rows of a Parquet file that are held at once."""


@dataclass(frozen=True, slots=True)
class Record:
    """
    One row as its file has it, or why it is none.

    Attributes:
        place: Where it begins; reading from there gives it again.
        line: Its first line, counted from 1; in a Parquet file its number.
        values: By column; empty cells of a CSV file are left out.
        problem: What keeps it from being a row.
    """

    place: Place
    line: int
    values: JSONObject
    problem: str | None = None


Reader: TypeAlias = Callable[[Path, Place], Iterator[Record]]


def read(path: Path, begin: Place = Place()) -> Iterator[Record]:  # noqa: B008 - frozen
    """
    Yield the rows of a file from a place on; a line that is no row is a record with a problem, and reading goes on.

    Raises:
        UsageError: The file cannot be read, or is of no kind that rows can be read from.
        InputInvalid: Its first line names no columns.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        kinds = ", ".join(READERS)
        raise UsageError(f"{path} is of no kind that rows can be read from", hint=f"name the file one of {kinds}")
    try:
        yield from reader(path, begin)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error


def _csv(path: Path, begin: Place, delimiter: str = ",") -> Iterator[Record]:
    with path.open("rb") as file:
        lines = Lines(file)
        names = _names(path, lines, delimiter)
        if begin.offset:
            lines.skip_to(begin)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            place = lines.place
            try:
                cells = next(rows, None)
            except (BadLine, csv.Error) as error:
                yield Record(place, place.line + 1, {}, _csv_problem(error))
                continue
            if cells is None:
                return
            if len(cells) > len(names):
                problem = f"{len(cells)} cells, but {len(names)} names in the first line"
                yield Record(place, place.line + 1, {}, problem)
            elif cells:
                yield Record(place, place.line + 1, {n: c for n, c in zip(names, cells, strict=False) if c})


def _csv_problem(error: Exception) -> str:
    if "field larger than" in str(error):  # the limit of the csv module: a quote must not swallow the file
        return f"a cell is longer than {csv.field_size_limit()} characters: is a quote not closed?"
    return str(error) if isinstance(error, BadLine) else f"not CSV: {error}"


def _names(path: Path, lines: Lines, delimiter: str) -> list[str]:
    try:
        names = [name.strip() for name in next(csv.reader(lines, delimiter=delimiter, strict=True), [])]
    except (BadLine, csv.Error) as error:
        raise _no_columns(path, f"the first line names no columns: {error}") from error
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise _no_columns(path, f'two columns are called "{twice}"' if twice else "two columns have no name")
    if not names:
        raise _no_columns(path, "the file is empty: its first line names the columns")
    return names


def _no_columns(path: Path, message: str) -> InputInvalid:
    return InputInvalid(message, source=Source(str(path), 1))


def _tsv(path: Path, begin: Place) -> Iterator[Record]:
    return _csv(path, begin, "\t")


def _jsonl(path: Path, begin: Place) -> Iterator[Record]:
    with path.open("rb") as file:
        lines = Lines(file, begin)
        while True:
            place = lines.place
            try:
                line = next(lines, None)
                if line is None:
                    return
                if line.strip():
                    yield Record(place, place.line + 1, _object(line))
            except BadLine as error:
                yield Record(place, place.line + 1, {}, str(error))


def _object(line: str) -> JSONObject:
    try:
        row = orjson.loads(line)
    except ValueError as error:
        raise BadLine(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise BadLine("the line is not a JSON object")
    return row


def _parquet(path: Path, begin: Place) -> Iterator[Record]:
    file = _open_parquet(path)
    number = 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if number + rows <= begin.offset:
            number += rows
            continue
        for batch in file.iter_batches(batch_size=_AT_ONCE, row_groups=[group]):
            for row in batch.to_pylist():
                if number >= begin.offset:
                    values = {name: _plain(value) for name, value in row.items() if value is not None}
                    yield Record(Place(number, number), number + 1, values)
                number += 1


def _open_parquet(path: Path) -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{path} is a Parquet file, and pyarrow, which reads those, is not installed",
            hint='install it with comfypipe: pip install "comfypipe[parquet]"; or write the rows as CSV or JSONL',
        ) from error
    try:
        return parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise UsageError(f"{path} is not Parquet: {error}") from error


def _plain(value: Any) -> Any:
    """Return a value of Arrow's as JSON has it: dates and decimals as text."""
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else None if value is None else str(value)


READERS: dict[str, Reader] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
}
"""By suffix, what reads the rows of a file."""
