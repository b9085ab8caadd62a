"""The first pass over the rows: every one is checked and named, none is held."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import orjson

from comfypipe.batch.results import invalid_line
from comfypipe.batch.rows import Row, RowSource
from comfypipe.batch.scratch import Entry, Scratch
from comfypipe.diagnostics import Diagnostic
from comfypipe.errors import ComfypipeError, InputError, InputInvalid, RowsInvalid

FINDINGS_KEPT = 50
"""Findings that are told; of a file in which every row is wrong, the first ones say enough."""

_TOGETHER = 2000


@dataclass(slots=True)
class Checked:
    """
    What the first pass found.

    Attributes:
        rows: How many there are, the invalid ones included.
        invalid: How many of them cannot be run.
        repeated: How many have the same content as an earlier one.
        findings: What is wrong, the first of them.
        fatal: Whether something is wrong with the file, or its columns, and not with single rows.
        columns: All that rows have.
        fingerprint: Of all rows in their order: SHA-256, as hex.
    """

    rows: int = 0
    invalid: int = 0
    repeated: int = 0
    seconds: float = 0.0
    fatal: bool = False
    findings: list[Diagnostic] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    fingerprint: str = ""

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    def raise_if_wrong(self, *, skip_invalid: bool) -> None:
        """
        Let a batch begin only when its rows are fine, or the invalid ones may be skipped.

        Raises:
            RowsInvalid: They are not.
        """
        if self.fatal or (self.invalid and not skip_invalid):
            raise RowsInvalid(self.findings, self.invalid, self.rows)


def check_again(source: RowSource, scratch: Scratch, tell: Callable[[Checked], None]) -> Checked:
    """Do what `check_rows` does, where that was not done before for these very rows and inputs."""
    stamp = source.stamp()
    noted = scratch.noted(_STAMP)
    if stamp is not None and noted is not None:
        found = orjson.loads(noted)
        if found.pop("stamp") == stamp:
            return Checked(**found | {"columns": set(found["columns"])})
    checked = check_rows(source, scratch, tell)
    if stamp is not None and not checked.invalid and not checked.fatal and stamp == source.stamp():
        kept = {name: getattr(checked, name) for name in ("rows", "repeated", "fingerprint")}
        scratch.note(_STAMP, orjson.dumps(kept | {"columns": sorted(checked.columns), "stamp": stamp}).decode())
        scratch.flush()
    return checked


_STAMP = "checked"


def check_rows(source: RowSource, scratch: Scratch, tell: Callable[[Checked], None] = lambda _checked: None) -> Checked:
    """
    Check every row, and put it into the index. Blocks; call it in a thread.

    Args:
        tell: Is told every now and then how far it is.

    Raises:
        UsageError: The file cannot be read.
        InputInvalid: Its first line names no columns.
        StoreError: The index cannot be written.
    """
    checked, began = Checked(), time.monotonic()
    scratch.begin()
    rows, fingerprint = source.rows(), hashlib.sha256()
    while some := list(islice(rows, _TOGETHER)):
        entries = list(_entries(source, some, checked))
        scratch.add(entries)
        for entry in entries:
            fingerprint.update(entry.mark or entry.invalid or b"")
        checked.rows += len(some)
        checked.seconds = time.monotonic() - began
        tell(checked)
    _check_mapping(source, checked)
    checked.fingerprint = fingerprint.hexdigest()
    checked.repeated = scratch.repeated()
    scratch.flush()
    checked.seconds = time.monotonic() - began
    return checked


def mark_of(key: str, params: object) -> bytes:
    """Return what tells a row from others with the same content that say something else besides."""
    return hashlib.sha256(key.encode() + orjson.dumps(params, option=orjson.OPT_SORT_KEYS, default=str)).digest()[:16]


def _entries(source: RowSource, rows: list[Row], checked: Checked) -> Iterator[Entry]:
    for row in rows:
        for column in source.columns.unknown(row.record.values):
            if column not in checked.columns:
                _note_unknown(source, row, column, checked)
        checked.columns.update(row.params)
        yield _entry(source, row, checked)


def _entry(source: RowSource, row: Row, checked: Checked) -> Entry:
    try:
        if row.problem is not None:
            raise InputInvalid(row.problem)
        key = source.key(row, source.resolve(row))
    except InputError as error:
        return _invalid(source, row, error, checked)
    return Entry(row.number, key, mark_of(key, row.params), row.record.place, row.record.line)


def _invalid(source: RowSource, row: Row, error: ComfypipeError, checked: Checked) -> Entry:
    checked.invalid += 1
    finding = Diagnostic("bad-row", error.message, source.source(row.record.line), error.hint)
    if len(checked.findings) < FINDINGS_KEPT:
        checked.findings.append(finding)
    line = invalid_line(row, error, finding.source)
    return Entry(row.number, "", b"", row.record.place, row.record.line, line)


def _note_unknown(source: RowSource, row: Row, column: str, checked: Checked) -> None:
    checked.fatal = True
    message, hint = source.columns.why_unknown(column)
    if len(checked.findings) < FINDINGS_KEPT:
        checked.findings.append(Diagnostic("unknown-column", message, source.source(row.record.line), hint))


def _check_mapping(source: RowSource, checked: Checked) -> None:
    for column in source.columns.renamed:
        if checked.rows and column not in checked.columns and not checked.fatal:
            checked.fatal = True
            message = f'column "{column}" is mapped to an input, but no row has it'
            checked.findings.append(Diagnostic("missing-column", message, source.source(1)))
