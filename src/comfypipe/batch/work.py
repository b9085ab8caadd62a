"""Which rows are still to be done: looked up a portion at a time, so that those that are done cost next to nothing."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.batch.place import is_placed
from comfypipe.batch.rows import Row, RowSource
from comfypipe.batch.scratch import Entry, Scratch
from comfypipe.batch.tally import Tally
from comfypipe.batch.writer import read_result
from comfypipe.store.batches import BatchTable, RowRun

_TOGETHER = 250
_OF_DISK = ("StoreError", "LedgerUnusable")
"""Errors that are no fault of the row that met them: with room on the disk it is run again."""


@dataclass(frozen=True, slots=True)
class Work:
    """
    A row that something is to be done for.

    Attributes:
        ended: Its run, where that has ended, and only its files or its line are missing.
    """

    entry: Entry
    row: Row
    ended: RowRun | None = None


class WorkList:
    """
    The rows of a batch, or of a part of it, that something is to be done for, in their order.

    Safe to take from in several tasks at once.

    Args:
        after: The number before the first row; *count* rows from there on, or all.
        retry_failed: Rows that failed for good are to be done too.
        only_ended: Nothing is to be run: only files and lines of runs that have ended are to be written.
    """

    def __init__(
        self,
        batch_id: str,
        table: BatchTable,
        scratch: Scratch,
        source: RowSource,
        folder: Path,
        tally: Tally,
        *,
        after: int = 0,
        count: int | None = None,
        retry_failed: bool = False,
        only_ended: bool = False,
    ) -> None:
        self._batch_id = batch_id
        self._table = table
        self._scratch = scratch
        self._source = source
        self._folder = folder
        self._tally = tally
        self._after = after
        self._left = count
        self._counts_invalid = count is not None  # else the check has
        self._retry_failed = retry_failed
        self._only_ended = only_ended
        self._waiting: deque[Work] = deque()
        self._lines: dict[bytes, JSONObject] = {}
        self._taking = asyncio.Lock()

    def params(self, row: Row) -> JSONObject:
        """Return what a row says, as results have it."""
        return self._source.shown_params(row)

    async def take(self) -> Work | None:
        """Return the next row; None when there is none left."""
        async with self._taking:
            while not self._waiting:
                if not await self._fill():
                    return None
            return self._waiting.popleft()

    async def _fill(self) -> bool:
        limit = _TOGETHER if self._left is None else min(_TOGETHER, self._left)
        entries = await asyncio.to_thread(self._scratch.rows, self._after, limit) if limit else []
        if not entries:
            return False
        self._after = entries[-1].number
        if self._left is not None:
            self._left -= len(entries)
        open_rows = await asyncio.to_thread(self._not_done, entries)
        if open_rows:
            runs = await self._table.rows(self._batch_id, sorted({each.key for each in open_rows}))
            self._waiting.extend(await asyncio.to_thread(self._todo, open_rows, runs))
        return True

    def _not_done(self, entries: Sequence[Entry]) -> list[Entry]:
        """
        Return the rows without those that are done: whose line says so, and whose files are there.

        A line is only written after the ledger has the run, so that it need not be asked for these.
        """
        self._tally.invalid += self._counts_invalid * sum(each.invalid is not None for each in entries)
        fine = [each for each in entries if each.invalid is None]
        self._lines = {mark: read_result(line) for mark, line in self._scratch.lines([e.mark for e in fine]).items()}
        done = {
            mark
            for mark, result in self._lines.items()
            if result["status"] == "completed" and is_placed(result, self._folder)
        }
        self._tally.before += sum(each.mark in done for each in fine)
        return [each for each in fine if each.mark not in done]

    def _todo(self, entries: Sequence[Entry], runs: dict[str, RowRun]) -> list[Work]:
        wanted: dict[int, tuple[Entry, RowRun | None]] = {}
        for entry in entries:
            run = runs.get(entry.key)
            ended = run if run is not None and self._has_ended(run) else None
            if ended is not None and self._is_written(entry, ended):
                self._count(ended)
            elif ended is not None or not self._only_ended:
                wanted[entry.number] = entry, ended
        return [Work(entry, row, ended) for row, (entry, ended) in self._with_rows(wanted)]

    def _has_ended(self, run: RowRun) -> bool:
        """Whether nothing more is to be run: it completed, or failed in a way that trying again will not mend."""
        if run.status == "failed" and not self._only_ended:
            error = run.error or {}
            return not self._retry_failed and not error.get("retryable") and error.get("type") not in _OF_DISK
        return run.status in ("completed", "failed")

    def _is_written(self, entry: Entry, run: RowRun) -> bool:
        result = self._lines.get(entry.mark)
        return result is not None and result["run_id"] == run.run_id and is_placed(result, self._folder)

    def _count(self, run: RowRun) -> None:
        if run.status == "completed":
            self._tally.before += 1
        else:
            self._tally.failed_before += 1

    def _with_rows(
        self, wanted: dict[int, tuple[Entry, RowRun | None]]
    ) -> Iterator[tuple[Row, tuple[Entry, RowRun | None]]]:
        """Read the rows again that something is to be done for: what they say is not kept."""
        if not wanted:
            return
        first, last = next(iter(wanted.values()))[0], max(wanted)
        for row in self._source.rows(first.number, first.place):
            if row.number in wanted:
                yield row, wanted[row.number]
            if row.number >= last:
                return
