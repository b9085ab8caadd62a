"""The rows of a batch: those of its file, times the points of its sweep, times its repetitions; never held together."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.batch.columns import Columns, Files
from comfypipe.batch.keys import row_key
from comfypipe.batch.lines import Place
from comfypipe.batch.readers import Record, read
from comfypipe.batch.request import BatchRequest
from comfypipe.batch.sweep import Sweep, parse_sweep
from comfypipe.diagnostics import Source
from comfypipe.errors import UsageError
from comfypipe.manifest.inputs import resolve_inputs, seeds_to_draw
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import MEDIA_TYPES, InputSpec, ListInput
from comfypipe.manifest.values import Value
from comfypipe.plan.digests import digest_of
from comfypipe.project import ProjectLayout

_SETTLED_NS = 2_000_000_000
REPEAT = "repeat"
"""Name under which results have the number of a repetition, from 0."""


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row of a batch.

    Attributes:
        number: Counted from 1.
        record: The line that it comes from.
        params: What it says by column, with the sweep's values: what names and results call ``row``.
        given: Its inputs; the rest comes from the preset and defaults.
        repeat: Which repetition it is, from 0.
    """

    number: int
    record: Record
    params: JSONObject
    given: JSONObject
    repeat: int = 0

    @property
    def problem(self) -> str | None:
        """What keeps it from being a row."""
        return self.record.problem


class RowSource:
    """
    Where the rows of a batch come from. Iterates from any row on, a row at a time.

    Raises:
        UsageError: The sweep, the mapping or the file does not fit.
    """

    def __init__(self, request: BatchRequest, manifest: Manifest, layout: ProjectLayout) -> None:
        if request.rows is None and not request.sweep and request.repeat == 1:
            raise UsageError("a batch needs rows", hint="name a file of rows, or write --sweep NAME=VALUES")
        spec = manifest.spec
        self._request = request
        self._name = manifest.name
        self._layout = layout
        self._manifest = hashlib.sha256(manifest.path.read_bytes()).hexdigest()
        self._inputs = spec.inputs
        self._presets = spec.presets
        self.sweep: Sweep = parse_sweep(request.sweep, spec.inputs, zipped=request.zipped)
        self.columns = Columns(spec.inputs, request.columns, request.allow_extra)
        self._typed = Files((request.folder, layout.root))
        self._common = {name: self._locate(self._typed, name, value) for name, value in request.inputs.items()}

    @property
    def each(self) -> int:
        """How many rows a line of the file stands for."""
        return len(self.sweep) * self._request.repeat

    @cached_property
    def shown(self) -> str:
        """What messages call the file."""
        path = self._request.rows
        if path is None:
            return "sweep"
        here = Path.cwd()
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

    def source(self, line: int) -> Source:
        """Return the place of a line, for messages."""
        return Source(self.shown, line)

    def stamp(self) -> str | None:
        """
        Return what changes when the rows, or what is asked, may have: of the file by size and time, not content.

        None where that cannot be told: rows that name files, which may change by themselves, or a file that was
        written a moment ago.
        """
        if any(_names_files(spec) for spec in self._inputs.values()):
            return None
        parts: list[Any] = [self._request.to_json(), self._manifest]
        if self._request.rows is not None:
            try:
                status = self._request.rows.stat()
            except OSError:
                return None
            if time.time_ns() - status.st_mtime_ns < _SETTLED_NS:
                return None
            parts.append([status.st_ino, status.st_size, status.st_mtime_ns])
        return digest_of(parts)

    def rows(self, first: int = 1, place: Place = Place()) -> Iterator[Row]:  # noqa: B008 - frozen
        """
        Yield the rows, from the one with the number *first*, whose line begins at *place*.

        Raises:
            UsageError: The file cannot be read.
            InputInvalid: Its first line names no columns.
        """
        skip = (first - 1) % self.each
        number = first - 1 - skip
        for record in self._records(place):
            yield from self._expanded(record, number, skip)
            number, skip = number + self.each, 0

    def resolve(self, row: Row) -> dict[str, Value]:
        """
        Return the inputs of a row, without seeds that are to be drawn.

        Raises:
            InputMissing: One that has to be given is not.
            InputInvalid: One does not fit.
        """
        preset = self._request.preset
        values = resolve_inputs(
            self._inputs,
            row.given,
            presets=self._presets,
            preset=preset,
            base=self._folder,
            root=self._layout.root,
            draw_seed=_no_seed,
        )
        for name in seeds_to_draw(self._inputs, row.given, self._presets[preset] if preset else {}):
            del values[name]
        return values

    def key(self, row: Row, values: Mapping[str, Value]) -> str:
        """Return what names a row by its content."""
        return row_key(self._name, values, row.repeat)

    def shown_params(self, row: Row) -> JSONObject:
        """Return what a row says, numbers as numbers even where its file has only text."""
        if not any(isinstance(value, str) for value in row.params.values()):
            return row.params
        shown, values = dict(row.params), self.resolve(row)
        for column in row.params:
            name = self.columns.renamed.get(column, column)
            spec = self._inputs.get(name)
            if spec is not None and name in values and spec.type not in (*MEDIA_TYPES, "list"):
                shown[column] = values[name]
        return shown

    @cached_property
    def _folder(self) -> Path:
        return self._request.rows.absolute().parent if self._request.rows else self._request.folder

    @cached_property
    def _files(self) -> Files:
        return Files((self._folder, self._layout.root))

    def _locate(self, files: Files, name: str, value: Any) -> Any:
        spec = self._inputs.get(name)
        return value if spec is None else files.located(spec, value)

    def _records(self, place: Place) -> Iterator[Record]:
        if self._request.rows is None:
            yield Record(Place(), 1, {})
        else:
            yield from read(self._request.rows, place)

    def _expanded(self, record: Record, before: int, skip: int) -> Iterator[Row]:
        """Yield the rows that a line stands for: every point of the sweep, so many times; one that is no row once."""
        given = {
            name: self._locate(self._files, name, each) for name, each in self.columns.given(record.values).items()
        }
        clash = next((axis.name for axis in self.sweep.axes if given.get(axis.name) is not None), None)
        if clash is not None:
            record = Record(record.place, record.line, record.values, f"sets {clash}, which is swept")
        if record.problem is not None:
            yield Row(before + 1, record, record.values, {})
            return
        for offset in range(skip, self.each):
            index, repeat = divmod(offset, self._request.repeat)
            point = self.sweep.point(index)
            swept = {name: self._locate(self._typed, name, value) for name, value in point.items()}
            params = record.values | point
            if self._request.repeat > 1 and REPEAT not in params:
                params[REPEAT] = repeat
            yield Row(before + offset + 1, record, params, {**self._common, **given, **swept}, repeat)


def _names_files(spec: InputSpec) -> bool:
    return spec.type in MEDIA_TYPES or (isinstance(spec, ListInput) and spec.items.type in MEDIA_TYPES)


def _no_seed() -> int:
    return 0
