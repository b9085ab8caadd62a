"""How batches stand, seen from outside; and how to end one that another process works on, or that nobody does."""

import asyncio
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.batch.batch import is_worked_on
from comfypipe.batch.files import read_about
from comfypipe.batch.runner import CANCELLED, CANCELLING, RUNNING
from comfypipe.execution.cancel import cancel_run
from comfypipe.execution.context import now_ms
from comfypipe.execution.project import Project
from comfypipe.execution.records import time_of
from comfypipe.store.records import BatchRecord

_LOOK_S, _PATIENCE_S = 0.2, 60.0


async def standing_of(project: Project, reference: str) -> JSONObject:
    """
    Return how a batch stands: as its own summary says, and while there is none of this state, counted from the ledger.

    Raises:
        UsageError: There is none with this id.
    """
    record = await project.ledger.batches.get(reference)
    runs = await project.ledger.batches.counts(record.id)
    left = None if record.total is None else max(0, record.total - sum(runs.values()))
    request = record.settings["request"]
    folder = request["out"] or f"{request['folder']}/outputs/{record.name}-{record.id}"
    short = _short(project, record)
    counted = {status: runs.get(status, 0) for status in ("completed", "failed", "cancelled", "running")}
    return {
        **short,
        **counted,
        "invalid": None,
        "left": left,
        **_summed_up(await asyncio.to_thread(read_about, Path(folder)), short),
        "folder": folder,
        "ended_at": time_of(record.ended_ms).isoformat() if record.ended_ms is not None else None,
    }


async def listed(project: Project, limit: int) -> list[JSONObject]:
    """Return the newest batches in short, newest first."""
    return [_short(project, each) for each in await project.ledger.batches.newest(limit=limit)]


async def cancel_batch(project: Project, reference: str) -> JSONObject:
    """
    End a batch: the process that works on it is asked to; where there is none, its open runs are cancelled from here.

    Raises:
        UsageError: There is none with this id.
    """
    table = project.ledger.batches
    record = await table.get(reference)
    if is_worked_on(project, record):
        await table.change(record.id, status=CANCELLING)
        for _ in range(round(_PATIENCE_S / _LOOK_S)):
            record = await table.get(record.id)
            if record.status != CANCELLING or not is_worked_on(project, record):
                break
            await asyncio.sleep(_LOOK_S)
    open_runs = await table.open_runs(record.id) if not is_worked_on(project, record) else ()
    for run in open_runs:
        await cancel_run(project, run.id, "cancelled with its batch")
    if open_runs or await table.status(record.id) in (RUNNING, "stopped", CANCELLING):
        await table.change(record.id, status=CANCELLED, ended_ms=now_ms())
    return {"id": record.id, "status": await table.status(record.id), "runs_cancelled": len(open_runs)}


def _summed_up(about: JSONObject, short: JSONObject) -> JSONObject:
    """Return what the summary of a batch counts, if it is of this state: rows too that have no run of their own."""
    if (about.get("id"), about.get("status")) != (short["id"], short["status"]):
        return {}
    counts = about.get("counts")
    names = ("completed", "failed", "invalid", "left")
    return {name: counts[name] for name in names if name in counts} if isinstance(counts, dict) else {}


def _short(project: Project, record: BatchRecord) -> JSONObject:
    abandoned = record.status in (RUNNING, CANCELLING) and not is_worked_on(project, record)
    return {
        "id": record.id,
        "name": record.name,
        "status": "interrupted" if abandoned else record.status,
        "rows": record.total,
        "source": record.source,
        "created_at": time_of(record.created_ms).isoformat(),
    }
