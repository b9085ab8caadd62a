"""The files of a batch that tell how it went: ``results.jsonl`` in the order of the rows, Parquet, ``batch.json``."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.batch.results import SCHEMA_VERSION, line_of, packed, unfinished
from comfypipe.batch.scratch import Entry, Scratch
from comfypipe.batch.writer import RESULTS, read_result
from comfypipe.errors import UsageError
from comfypipe.store.batches import BatchTable
from comfypipe.store.files import disk_faults, settle, write_whole

BATCH, PARQUET = "batch.json", "results.parquet"
_TOGETHER = 1000
_AS_JSON = ("params", "inputs", "outputs", "values", "error")
"""Columns of Parquet that hold JSON text: their keys differ from row to row."""


async def write_results(folder: Path, batch_id: str, scratch: Scratch, table: BatchTable, *, parquet: bool) -> int:
    """
    Write ``results.jsonl`` anew, a line for every row and in their order; return its length in bytes.

    A row that has not ended is ``skipped``, or ``cancelled``. Holds a thousand lines at once.

    Raises:
        StoreError: It cannot be written; what was there stays.
    """
    path, partial = folder / RESULTS, folder / f".{RESULTS}.partial"
    with disk_faults(path):
        columns = await asyncio.to_thread(_prepared, folder, parquet)
        try:
            with partial.open("wb") as file:
                async for some in _lines(batch_id, scratch, table):
                    await asyncio.to_thread(file.writelines, some)
                    if columns is not None:
                        await asyncio.to_thread(columns.write, some)
                size_bytes = file.tell()
            await asyncio.to_thread(settle, partial, path)
            if columns is not None:
                await asyncio.to_thread(columns.settle)
        finally:
            partial.unlink(missing_ok=True)
        return size_bytes


def _prepared(folder: Path, parquet: bool) -> "_Columns | None":
    folder.mkdir(parents=True, exist_ok=True)
    return _Columns(folder / PARQUET) if parquet else None


def write_about(folder: Path, about: JSONObject) -> None:
    """Write ``batch.json``."""
    text = json.dumps({"schema_version": SCHEMA_VERSION} | about, indent=2, ensure_ascii=False)
    write_whole(folder / BATCH, text.encode() + b"\n")


def read_about(folder: Path) -> JSONObject:
    """Return what ``batch.json`` says; nothing where it is not there, or not whole."""
    try:
        found = json.loads((folder / BATCH).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def check_parquet() -> None:
    """
    Check that Parquet can be written.

    Raises:
        UsageError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            "results as Parquet need pyarrow, which is not installed",
            hint='install it with comfypipe: pip install "comfypipe[parquet]"',
        ) from error


async def _lines(batch_id: str, scratch: Scratch, table: BatchTable) -> AsyncIterator[list[bytes]]:
    after = 0
    while entries := await asyncio.to_thread(scratch.rows, after, _TOGETHER):
        after = entries[-1].number
        lines = await asyncio.to_thread(scratch.lines, [each.mark for each in entries])
        missing = sorted({each.key for each in entries if each.invalid is None and each.mark not in lines})
        runs = await table.rows(batch_id, missing) if missing else {}
        cancelled = {key for key, run in runs.items() if run.status == "cancelled"}
        yield [line_of(each.number, _result(each, lines, cancelled)) for each in entries]


def _result(entry: Entry, lines: dict[bytes, bytes], cancelled: Iterable[str]) -> bytes:
    found = entry.invalid or lines.get(entry.mark)
    return found or packed(unfinished(entry.key, "cancelled" if entry.key in cancelled else "skipped"))


class _Columns:
    """``results.parquet``: a column for each key of a line."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        texts = ("key", "run_id", "status", *_AS_JSON, "server", "accelerator", "started_at", "ended_at")
        numbers = ("seconds", "execution_s", "cost")
        kinds = {"row": pa.int64(), "attempts": pa.int64(), "cached": pa.bool_(), "simulated": pa.bool_()}
        kinds |= dict.fromkeys(texts, pa.string()) | dict.fromkeys(numbers, pa.float64())
        self._schema = pa.schema(kinds)
        self._table: Any = pa.Table
        self._writer = parquet.ParquetWriter(self._partial, self._schema)

    def write(self, lines: list[bytes]) -> None:
        """Add rows."""
        rows = [read_result(line) for line in lines]
        for row in rows:
            for name in _AS_JSON:
                row[name] = packed(row[name]).decode() if row[name] is not None else None
        self._writer.write_table(self._table.from_pylist(rows, schema=self._schema))

    def settle(self) -> None:
        """Put the file under its name."""
        self._writer.close()
        settle(self._partial, self._path)
