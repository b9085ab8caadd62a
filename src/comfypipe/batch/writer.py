"""What rows gave, written as they end: files under their names, a line each in ``results.jsonl``, and the index."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from comfypipe._types import JSONObject
from comfypipe.batch.names import NameTemplate, Naming
from comfypipe.batch.place import place_run
from comfypipe.batch.prices import Prices
from comfypipe.batch.results import line_of, packed, result_of
from comfypipe.batch.scratch import Scratch
from comfypipe.errors import StoreError
from comfypipe.execution.records import Run
from comfypipe.store.batches import BatchTable, RowAttempt
from comfypipe.store.files import disk_faults, sweep_partials

TOGETHER = 32
"""Rows whose results are written in one go, where so many wait."""


@dataclass(frozen=True, slots=True)
class Ended:
    """
    A row that has ended, and its run; a run without id was never begun.

    Attributes:
        new: It was run now, for this row; else before, or for another row of the same content.
    """

    number: int
    key: str
    mark: bytes
    params: JSONObject
    run: Run
    new: bool = False


Written = Callable[[Ended, JSONObject], None]


class ResultsWriter:
    """
    Writes what rows gave, a few at a time, beside those that still run.

    Args:
        folder: Of the outputs, and of ``results.jsonl``.
        written: Is told of each row whose line is written.
    """

    def __init__(
        self,
        folder: Path,
        scratch: Scratch,
        table: BatchTable,
        names: NameTemplate,
        prices: Prices,
        batch_id: str,
        written: Written,
    ) -> None:
        self._folder = folder
        self._scratch = scratch
        self._table = table
        self._names = names
        self._prices = prices
        self._batch_id = batch_id
        self._written = written
        self._waiting: asyncio.Queue[Ended | None] = asyncio.Queue(4 * TOGETHER)
        self._file: BinaryIO | None = None
        self._tidied: set[Path] = set()
        self.lines = 0
        self.error: StoreError | None = None

    @property
    def path(self) -> Path:
        """The file of the lines."""
        return self._folder / RESULTS

    async def put(self, ended: Ended) -> None:
        """Have a row written; waits while too many are waiting."""
        await self._waiting.put(ended)

    async def drained(self) -> None:
        """Return when all that was put is written."""
        await self._waiting.join()

    async def finish(self) -> None:
        """Have what waits written, and let `work` return."""
        await self._waiting.put(None)

    async def work(self) -> None:
        """Write until `finish`. After a fault of the disk it only takes what comes, and `error` says so."""
        ending = False
        while not ending:
            some = [await self._waiting.get()]
            while len(some) < TOGETHER and not self._waiting.empty():
                some.append(self._waiting.get_nowait())
            ending = None in some
            ended = [each for each in some if each is not None]
            if ended and self.error is None:
                await self._write(ended)
            for _ in some:
                self._waiting.task_done()
        await asyncio.to_thread(self._close)

    async def _write(self, ended: Sequence[Ended]) -> None:
        try:
            run_ids = sorted({each.run.id for each in ended if each.run.id})
            attempts = await self._table.attempts(run_ids)
            results = await asyncio.to_thread(self._store, ended, attempts)
        except StoreError as error:
            self.error = error
            return
        for each, result in zip(ended, results, strict=True):
            self._written(each, result)

    def _store(self, ended: Sequence[Ended], attempts: dict[str, list[RowAttempt]]) -> list[JSONObject]:
        results = [self._result(each, attempts.get(each.run.id, [])) for each in ended]
        texts = [packed(result) for result in results]
        with disk_faults(self.path):
            file = self._opened()
            file.write(b"".join(line_of(each.number, text) for each, text in zip(ended, texts, strict=True)))
            file.flush()
        self._scratch.keep([(each.mark, each.run.status, text) for each, text in zip(ended, texts, strict=True)])
        self._scratch.flush()
        self.lines += len(ended)
        return results

    def _result(self, ended: Ended, attempts: Sequence[RowAttempt]) -> JSONObject:
        run = ended.run
        naming = Naming(
            ended.number,
            ended.params,
            run.inputs,
            output="",
            filename="",
            run=run.id,
            key=ended.key,
            name=run.name,
            batch=self._batch_id,
        )
        placed = place_run(run, self._folder, self._names, naming)
        self._tidy({(self._folder / each.path).parent for files in placed.values() for each in files})
        return result_of(ended.key, ended.params, run, placed, attempts, self._prices)

    def _tidy(self, folders: set[Path]) -> None:
        """Remove what killed processes left half-written, once from each folder that files go to."""
        for folder in folders - self._tidied:
            sweep_partials(folder)
        self._tidied |= folders

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            _drop_torn_line(self.path)
            self._file = self.path.open("ab", buffering=0)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            with disk_faults(self.path):
                self._file.close()


RESULTS = "results.jsonl"


def _drop_torn_line(path: Path) -> None:
    """Cut off what a killed process had written of a line."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        start = end
        while start:
            step = min(1 << 16, start)
            start -= step
            file.seek(start)
            at = file.read(step).rfind(b"\n")
            if at >= 0:
                file.truncate(start + at + 1)
                return
        file.truncate(0)


def read_result(line: bytes) -> JSONObject:
    """Return the result of a packed line."""
    found: JSONObject = orjson.loads(line)
    return found
