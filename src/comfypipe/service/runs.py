"""The runs of the service's database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comfypipe.service.rows import OPEN, QUEUED, STARTED, RunRow, row_of, stored, stored_value
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert, update


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not ended, as the dispatcher remembers it."""

    id: str
    tenant: str


@dataclass(frozen=True, slots=True)
class RunFilter:
    """
    Which runs of a workflow are asked for; newest first.

    Attributes:
        before: Only those older than the run with this id.
    """

    workflow_id: str | None = None
    status: str | None = None
    tag: str | None = None
    before: str | None = None
    limit: int = 100


def add_run(connection: Connection, run: RunRow) -> None:
    """Store a new run."""
    insert(connection, "runs", stored(run))


def find_run(connection: Connection, run_id: str) -> RunRow | None:
    """Return a run, whoever's it is."""
    found = connection.execute("SELECT * FROM runs WHERE id = :id", {"id": run_id})
    return row_of(RunRow, found[0]) if found else None


def find_own_run(connection: Connection, tenant: str, workflow_id: str, run_id: str) -> RunRow | None:
    """Return a tenant's run of a workflow; None when there is none, or it is somebody else's."""
    run = find_run(connection, run_id)
    return run if run is not None and (run.tenant, run.workflow_id) == (tenant, workflow_id) else None


def list_runs(connection: Connection, tenant: str, wanted: RunFilter) -> list[RunRow]:
    """Return a tenant's runs, newest first."""
    conditions, values = ["tenant = :tenant"], {"tenant": tenant, "limit": wanted.limit}
    for column, value in (("workflow_id", wanted.workflow_id), ("status", wanted.status)):
        if value is not None:
            conditions.append(f"{column} = :{column}")
            values[column] = value
    if wanted.tag is not None:
        conditions.append("tags LIKE :tag ESCAPE '!'")
        values["tag"] = f"%{_as_pattern(str(stored_value('tags', wanted.tag)))}%"
    if wanted.before is not None:
        conditions.append(_BEFORE)
        values["before"] = wanted.before
    where = " AND ".join(conditions)
    query = f"SELECT * FROM runs WHERE {where} ORDER BY created_ms DESC, id DESC LIMIT :limit"  # noqa: S608
    return [row_of(RunRow, each) for each in connection.execute(query, values)]


def open_runs(connection: Connection) -> list[OpenRun]:
    """Return all runs that have not ended: those that had started first, each kind oldest first."""
    return [
        OpenRun(each["id"], each["tenant"])
        for status in (STARTED, QUEUED)
        for each in connection.execute(_OPEN_RUNS, {"status": status})
    ]


def start_run(connection: Connection, run_id: str, now_ms: int, device: str | None) -> RunRow | None:
    """Store that a run is being executed, and return it; None when it has ended, or had been started before."""
    changes = {"status": STARTED, "started_ms": now_ms, "updated_ms": now_ms, "device": device}
    changed = update(connection, "runs", {"id": run_id, "status": QUEUED}, changes)
    return find_run(connection, run_id) if changed else None


def end_run(connection: Connection, run_id: str, changes: dict[str, Any]) -> RunRow | None:
    """Store how a run ended, and return it; None when it had ended before: that never changes."""
    found = find_run(connection, run_id)
    if found is None or found.ended:
        return None
    update(connection, "runs", {"id": run_id}, {name: stored_value(name, value) for name, value in changes.items()})
    return find_run(connection, run_id)


def change_run(connection: Connection, run_id: str, changes: dict[str, Any]) -> None:
    """Store something about a run that has not ended."""
    for status in OPEN:
        update(connection, "runs", {"id": run_id, "status": status}, changes)


def count_by_status(connection: Connection, statuses: Sequence[str]) -> dict[str, int]:
    """Return how many runs there are of each status."""
    query = "SELECT COUNT(*) AS found FROM runs WHERE status = :status"
    return {status: int(connection.execute(query, {"status": status})[0]["found"]) for status in statuses}


def _as_pattern(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


_OPEN_RUNS = "SELECT id, tenant FROM runs WHERE status = :status ORDER BY created_ms, id"
_BEFORE = (
    "(created_ms < (SELECT created_ms FROM runs WHERE id = :before) OR "
    "(created_ms = (SELECT created_ms FROM runs WHERE id = :before) AND id < :before))"
)
