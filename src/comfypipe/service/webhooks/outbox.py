"""
What is to be told, kept until it is: an event is stored in the transaction that changes the run.

States of an event: ``pending`` → ``delivered``, ``failed`` (the schedule is used up, or its URL may not be asked for)
or ``disabled`` (its URL answered 410, or was switched off). `replay` makes any of them pending again.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from comfypipe.service.times import now_ms as clock_ms
from comfypipe.service.webhooks.urls import is_disabled
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert, update

PENDING, DELIVERED, FAILED, DISABLED = "pending", "delivered", "failed", "disabled"
STATES = (PENDING, DELIVERED, FAILED, DISABLED)
EVENTS = ("run.started", "run.completed", "run.failed")

KEPT_MS = 30 * 24 * 3600 * 1000
"""How long events that are over are kept, with the log of their deliveries."""

_COLUMNS = "id, position, tenant, run_id, event, url, state, tries, created_ms, next_ms, ended_ms"
_NEXT_POSITION = "SELECT COALESCE(MAX(position), 0) + 1 AS position FROM webhook_outbox"


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something that a receiver is told.

    Attributes:
        id: ``webhook-id`` of every attempt.
        position: Grows with every event that becomes pending, so that a deliverer finds what is new.
        tries: Attempts since it became pending.
        next_ms: When it is attempted next; None when it is over.
    """

    id: str
    position: int
    tenant: str
    run_id: str
    event: str
    url: str
    state: str
    tries: int
    created_ms: int
    next_ms: int | None
    ended_ms: int | None


def enqueue(
    connection: Connection, tenant: str, run_id: str, event: str, url: str, body: bytes, *, now_ms: int | None = None
) -> str:
    """
    Store what *url* is to be told, and return its id; the same event of a run is stored once.

    Call it in the transaction that changes the run, and `Deliverer.wake` after it.

    Args:
        event: One of `EVENTS`.
        body: The JSON that is sent, byte by byte.
    """
    webhook_id = event_id(tenant, run_id, event)
    if find(connection, webhook_id) is not None:
        return webhook_id
    at_ms = clock_ms() if now_ms is None else now_ms
    disabled = is_disabled(connection, tenant, url)
    row = {
        "id": webhook_id,
        "position": _next_position(connection),
        "tenant": tenant,
        "run_id": run_id,
        "event": event,
        "url": url,
        "body": body.decode(),
        "state": DISABLED if disabled else PENDING,
        "tries": 0,
        "created_ms": at_ms,
        "next_ms": None if disabled else at_ms,
        "ended_ms": at_ms if disabled else None,
    }
    insert(connection, "webhook_outbox", row)
    return webhook_id


def event_id(tenant: str, run_id: str, event: str) -> str:
    """Return the id of an event: the same whenever it is asked for."""
    return "msg_" + hashlib.sha256(f"{tenant}\0{run_id}\0{event}".encode()).hexdigest()[:32]


def find(connection: Connection, webhook_id: str) -> Event | None:
    """Return an event."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM webhook_outbox WHERE id = :id", {"id": webhook_id})  # noqa: S608
    return Event(**rows[0]) if rows else None


def body_of(connection: Connection, webhook_id: str) -> bytes:
    """Return what is sent."""
    rows = connection.execute("SELECT body FROM webhook_outbox WHERE id = :id", {"id": webhook_id})
    text: str = rows[0]["body"]
    return text.encode()


def pending_after(connection: Connection, position: int) -> list[Event]:
    """Return the pending events of later positions, in their order; with 0, all that there are."""
    where = "state = :state AND position > :position"
    query = f"SELECT {_COLUMNS} FROM webhook_outbox WHERE {where} ORDER BY position"  # noqa: S608  columns of our own
    return [Event(**row) for row in connection.execute(query, {"state": PENDING, "position": position})]


def listed(
    connection: Connection,
    tenant: str,
    *,
    run_id: str | None = None,
    state: str | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Event]:
    """Return a tenant's events, newest first; *before* is the id of the last one seen."""
    conditions = ["tenant = :tenant"]
    values: dict[str, Any] = {"tenant": tenant, "limit": limit}
    for column, value in (("run_id", run_id), ("state", state)):
        if value is not None:
            conditions.append(f"{column} = :{column}")
            values[column] = value
    if before is not None:
        conditions.append(_BEFORE)
        values["before"] = before
    where = " AND ".join(conditions)
    query = f"SELECT {_COLUMNS} FROM webhook_outbox WHERE {where} ORDER BY created_ms DESC, id DESC LIMIT :limit"  # noqa: S608  columns of our own
    return [Event(**row) for row in connection.execute(query, values)]


def replay(connection: Connection, event: Event, now_ms: int) -> Event:
    """Make an event pending again, from the first attempt on, and return it: at once, with the same id and body."""
    again = replace(event, position=_next_position(connection), state=PENDING, tries=0, next_ms=now_ms, ended_ms=None)
    changes = {"position": again.position, "state": PENDING, "tries": 0, "next_ms": now_ms, "ended_ms": None}
    update(connection, "webhook_outbox", {"id": event.id}, changes)
    return again


def settle(connection: Connection, event: Event, state: str, *, now_ms: int, next_ms: int | None = None) -> bool:
    """Store what an attempt came to; False, and nothing, where the event was replayed or switched off meanwhile."""
    changed = connection.change(
        "UPDATE webhook_outbox SET state = :state, tries = tries + 1, next_ms = :next, ended_ms = :ended "
        "WHERE id = :id AND position = :position AND state = :pending",
        {
            "state": state,
            "next": next_ms,
            "ended": None if state == PENDING else now_ms,
            "id": event.id,
            "position": event.position,
            "pending": PENDING,
        },
    )
    return changed == 1


def switch_off(connection: Connection, tenant: str, url: str, now_ms: int) -> None:
    """Let what a tenant's URL was to be told rest."""
    connection.change(
        "UPDATE webhook_outbox SET state = :disabled, next_ms = NULL, ended_ms = :now "
        "WHERE state = :pending AND tenant = :tenant AND url = :url",
        {"disabled": DISABLED, "now": now_ms, "pending": PENDING, "tenant": tenant, "url": url},
    )


def forget(connection: Connection, now_ms: int) -> None:
    """Drop events that were over long ago; never the last position, which the next one counts on from."""
    connection.change(
        "DELETE FROM webhook_outbox WHERE ended_ms < :before AND position < (SELECT MAX(position) FROM webhook_outbox)",
        {"before": now_ms - KEPT_MS},
    )


def forget_run(connection: Connection, tenant: str, run_id: str) -> None:
    """Drop the events of a run, which are over; the last position stays, as it does in `forget`."""
    connection.change(
        "DELETE FROM webhook_outbox WHERE tenant = :tenant AND run_id = :run AND ended_ms IS NOT NULL "
        "AND position < (SELECT MAX(position) FROM webhook_outbox)",
        {"tenant": tenant, "run": run_id},
    )


def _next_position(connection: Connection) -> int:
    rows = connection.execute(_NEXT_POSITION)
    position: int = rows[0]["position"]
    return position


_BEFORE = (
    "(created_ms < (SELECT created_ms FROM webhook_outbox WHERE id = :before) OR "
    "(created_ms = (SELECT created_ms FROM webhook_outbox WHERE id = :before) AND id < :before))"
)
