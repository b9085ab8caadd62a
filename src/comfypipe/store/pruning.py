"""Forgetting old runs, and the files that nothing refers to any more."""

import re
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from comfypipe.store.artifacts import GRACE_S, ArtifactStore
from comfypipe.store.connection import Connection, Values
from comfypipe.store.files import disk_faults
from comfypipe.store.worker import DatabaseWorker

_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
_TOGETHER = 500
"""How many runs are forgotten in one transaction."""


class Pruning:
    """
    What the ledger can forget.

    Args:
        worker: The ledger's.
    """

    def __init__(self, worker: DatabaseWorker) -> None:
        self._worker = worker

    async def old_runs(self, *, before_ms: int, name: str | None = None, status: str | None = None) -> tuple[str, ...]:
        """Return the ids of ended runs that began before a time, oldest first."""
        asked = {"before": before_ms} | {key: value for key, value in (("name", name), ("status", status)) if value}
        wanted = "".join(f" AND {key} = :{key}" for key in asked if key != "before")
        query = f"SELECT id FROM runs WHERE status <> 'running' AND created_ms < :before{wanted} ORDER BY id"  # noqa: S608

        def read(connection: Connection) -> tuple[str, ...]:
            return tuple(row["id"] for row in connection.execute(query, asked))

        return await self._worker.read(read)

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Remove runs with everything that was recorded of them."""
        for start in range(0, len(run_ids), _TOGETHER):  # other processes are not kept waiting for all of it
            values = [{"run": run_id} for run_id in run_ids[start : start + _TOGETHER]]
            await self._worker.write(partial(_forget, runs=values))

    async def made_by(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Return the digests of the outputs of runs."""
        return await self._worker.read(lambda connection: _each(connection, _MADE_BY, run_ids))

    async def still_made(self, digests: Sequence[str]) -> frozenset[str]:
        """Return those of *digests* that are outputs of a run."""
        return await self._worker.read(lambda connection: _each(connection, _STILL_MADE, digests))

    async def referred_to(self, without: Collection[str] = ()) -> frozenset[str]:
        """
        Return the digests that the ledger speaks of: outputs, and files that runs were given or passed on.

        Args:
            without: Ids of runs that do not count.
        """

        def read(connection: Connection) -> frozenset[str]:
            rows = (row for query in _SPEAK_OF_FILES for row in connection.execute(query))
            texts = (str(row["text"]) for row in rows if row["text"] and row["id"] not in without)
            return frozenset(digest for text in texts for digest in _SHA256.findall(text))

        return await self._worker.read(read)


_SPEAK_OF_FILES = (
    "SELECT jobs.run_id AS id, outputs.sha256 AS text FROM outputs JOIN jobs ON jobs.id = outputs.job_id",
    "SELECT run_id AS id, inputs AS text FROM jobs",
    "SELECT id, inputs AS text FROM runs",
    "SELECT id, outputs AS text FROM runs",
)
_MADE_BY = (
    "SELECT outputs.sha256 AS sha256 FROM outputs JOIN jobs ON jobs.id = outputs.job_id "
    "WHERE jobs.run_id = :id AND outputs.sha256 IS NOT NULL"
)
_STILL_MADE = "SELECT sha256 FROM outputs WHERE sha256 = :id LIMIT 1"
_OF_RUN = "job_id IN (SELECT id FROM jobs WHERE run_id = :run)"


def _each(connection: Connection, query: str, ids: Sequence[str]) -> frozenset[str]:
    return frozenset(row["sha256"] for each in ids for row in connection.execute(query, {"id": each}))


def _forget(connection: Connection, *, runs: Sequence[Values]) -> None:
    connection.change_each(f"DELETE FROM outputs WHERE {_OF_RUN}", runs)  # noqa: S608
    connection.change_each(f"DELETE FROM attempts WHERE {_OF_RUN}", runs)  # noqa: S608
    connection.change_each("DELETE FROM jobs WHERE run_id = :run", runs)
    connection.change_each("DELETE FROM runs WHERE id = :run", runs)


def remove_others(artifacts: Path, wanted: Collection[str], *, really: bool) -> tuple[int, int]:
    """
    Remove stored files that are not *wanted*, but for young ones; return how many, and their size in bytes.

    Args:
        really: Without it they are only counted.
    """
    files = size_bytes = 0
    too_young = time.time() - GRACE_S
    store = ArtifactStore(artifacts)
    with disk_faults(artifacts):
        for path in artifacts.glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):  # another process removed it
                status = path.stat()
                if path.parent.name + path.name in wanted or status.st_mtime > too_young:
                    continue
                if really and not store.remove(path.parent.name + path.name):
                    continue
                files, size_bytes = files + 1, size_bytes + status.st_size
    return files, size_bytes
