"""
Forgetting what has ended long ago: runs with their files, and uploads that no request names any more.

First the rows of a few are removed, in one transaction; what is theirs elsewhere (records of execution, stored files,
thumbnails) is noted as left over in the same one, and cleared away after it. So a process that ends in between leaves
nothing for ever: the next one goes on with what is left over.
"""

import asyncio
import shutil
from collections.abc import Collection, Sequence
from functools import partial

from comfypipe.manifest.values import FOLDER
from comfypipe.service.references import own_files
from comfypipe.service.rows import COMPLETED, ERROR, OPEN, RunRow, row_of
from comfypipe.service.state import Parts
from comfypipe.service.thumbnails import thumbnail_place
from comfypipe.service.webhooks import outbox
from comfypipe.store.connection import Connection
from comfypipe.store.files import disk_faults

_TOGETHER = 50
"""How many are removed in one transaction: what clients ask meanwhile comes between two of them."""

_RUN, _FILE = "run", "file"


async def prune(parts: Parts, *, before_ms: int) -> None:
    """
    Forget what ended, or was last named by a request, before a time.

    What a run that goes on was asked for with stays, and so does a run whose receiver has yet to be told of it.

    Raises:
        StoreError: A database or the disk cannot be used; what was forgotten until then is forgotten.
    """
    for release in (_release_runs, _release_uploads):
        while await parts.worker.write(partial(release, parts=parts, before_ms=before_ms)):
            pass
    while ledger_ids := await parts.worker.read(partial(_left, kind=_RUN)):
        await _clear_runs(parts, ledger_ids)
    after = ""
    while digests := await parts.worker.read(partial(_left, kind=_FILE, after=after)):
        await _clear_files(parts, digests)
        after = digests[-1]


def _release_runs(connection: Connection, *, parts: Parts, before_ms: int) -> bool:
    """Remove the rows of some runs; False when there were none."""
    held = _held(connection, parts, before_ms)
    limits = {"before": before_ms, "pending": outbox.PENDING, "limit": _TOGETHER + len(held)}
    found = [
        row for status in (COMPLETED, ERROR) for row in connection.execute(_OLD_RUNS, {**limits, "status": status})
    ]
    old = [row for row in found if row["id"] not in held]
    for row in old:
        outbox.forget_run(connection, row["tenant"], row["id"])
    connection.change_each("DELETE FROM runs WHERE id = :id", [{"id": row["id"]} for row in old])
    _leave(connection, _RUN, [row["ledger_id"] for row in old])
    return bool(old)


def _release_uploads(connection: Connection, *, parts: Parts, before_ms: int) -> bool:
    """Remove the rows of some uploads; False when there were none."""
    held = _held(connection, parts, before_ms)
    found = connection.execute(_OLD_UPLOADS, {"before": before_ms, "limit": _TOGETHER + len(held)})
    old = [row for row in found if row["id"] not in held]
    connection.change_each("DELETE FROM uploads WHERE id = :id", [{"id": row["id"]} for row in old])
    _leave(connection, _FILE, [row["sha256"] for row in old])
    return bool(old)


def _held(connection: Connection, parts: Parts, before_ms: int) -> frozenset[str]:
    """Return whose files open runs need that were asked for before the time; what later ones named is young."""
    found = [row for each in OPEN for row in connection.execute(_LONG_OPEN, {"status": each, "before": before_ms})]
    requests = [row_of(RunRow, row).request for row in found]
    return frozenset(file.owner for each in requests for file in own_files(each, parts.links))


def _leave(connection: Connection, kind: str, ids: Sequence[str]) -> None:
    connection.change_each(_ADD_LEFTOVER, [{"kind": kind, "id": each} for each in ids])


def _left(connection: Connection, *, kind: str, after: str = "") -> list[str]:
    rows = connection.execute(_LEFTOVERS, {"kind": kind, "after": after, "limit": _TOGETHER})
    return [row["id"] for row in rows]


def _clear(connection: Connection, kind: str, ids: Collection[str]) -> None:
    connection.change_each(_CLEAR, [{"kind": kind, "id": each} for each in ids])


async def _clear_runs(parts: Parts, ledger_ids: Sequence[str]) -> None:
    """Forget how runs were executed, once their files are noted."""
    pruning = parts.ledger.pruning
    made = await pruning.made_by(ledger_ids)
    prompts = [attempt.prompt_id for each in ledger_ids for attempt in await parts.ledger.attempts(each)]
    await parts.worker.write(lambda connection: _leave(connection, _FILE, sorted(made)))
    await asyncio.to_thread(_remove_engine_copies, parts, prompts)
    await pruning.forget(ledger_ids)
    await parts.worker.write(lambda connection: _clear(connection, _RUN, ledger_ids))


async def _clear_files(parts: Parts, digests: Sequence[str]) -> None:
    """Remove the stored files that are nobody's; those that were stored a moment ago are left over still."""
    kept = await parts.ledger.pruning.still_made(digests) | await parts.worker.read(partial(_uploaded, digests=digests))
    gone = await asyncio.to_thread(_remove_files, parts, [each for each in digests if each not in kept])
    await parts.worker.write(lambda connection: _clear(connection, _FILE, kept | gone))


def _uploaded(connection: Connection, *, digests: Sequence[str]) -> frozenset[str]:
    return frozenset(each for each in digests if connection.execute(_UPLOADED, {"sha256": each}))


def _remove_files(parts: Parts, digests: Sequence[str]) -> frozenset[str]:
    """Remove stored files with their thumbnails, and return those that are gone."""
    with disk_faults(parts.settings.data):
        gone = frozenset(each for each in digests if parts.artifacts.remove(each))
        for each in gone:
            thumbnail_place(parts.settings.data, each).unlink(missing_ok=True)
    return gone


def _remove_engine_copies(parts: Parts, prompt_ids: Sequence[str]) -> None:
    """Remove what the engine in this process saved for runs: the store has had it since they ended."""
    for each in prompt_ids:
        shutil.rmtree(parts.settings.layout.engine / "output" / FOLDER / each, ignore_errors=True)


_OLD_RUNS = """
    SELECT id, tenant, ledger_id FROM runs
    WHERE status = :status AND created_ms < :before AND ended_ms < :before AND (used_ms IS NULL OR used_ms < :before)
    AND NOT EXISTS (SELECT 1 FROM webhook_outbox
        WHERE webhook_outbox.tenant = runs.tenant AND webhook_outbox.run_id = runs.id AND state = :pending)
    ORDER BY created_ms, id LIMIT :limit"""
_OLD_UPLOADS = "SELECT id, sha256 FROM uploads WHERE used_ms < :before ORDER BY used_ms, id LIMIT :limit"
_LONG_OPEN = "SELECT * FROM runs WHERE status = :status AND created_ms < :before"
_UPLOADED = "SELECT 1 AS found FROM uploads WHERE sha256 = :sha256 LIMIT 1"
_ADD_LEFTOVER = "INSERT INTO leftovers (kind, id) VALUES (:kind, :id) ON CONFLICT DO NOTHING"
_LEFTOVERS = "SELECT id FROM leftovers WHERE kind = :kind AND id > :after ORDER BY id LIMIT :limit"
_CLEAR = "DELETE FROM leftovers WHERE kind = :kind AND id = :id"
