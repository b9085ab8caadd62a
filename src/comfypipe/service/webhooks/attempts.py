"""The log of deliveries: every attempt, and what came of it. Nothing of what the receiver said but its status."""

from dataclasses import dataclass

from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One try at telling a receiver.

    Attributes:
        status: HTTP status of the answer; None when there was none.
        error: Why it does not count as delivered; None when it does.
    """

    started_ms: int
    duration_ms: int
    status: int | None
    error: str | None


def log(connection: Connection, webhook_id: str, attempt: Attempt) -> None:
    """Add an attempt."""
    row = {
        "webhook_id": webhook_id,
        "started_ms": attempt.started_ms,
        "duration_ms": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error,
    }
    insert(connection, "webhook_attempts", row)


def logged(connection: Connection, webhook_id: str) -> list[Attempt]:
    """Return the attempts at an event, oldest first."""
    query = "SELECT started_ms, duration_ms, status, error FROM webhook_attempts WHERE webhook_id = :id ORDER BY id"
    return [Attempt(**row) for row in connection.execute(query, {"id": webhook_id})]


def recent(connection: Connection) -> list[tuple[str, str, int]]:
    """Return tenant, URL and duration, in ms, of the newest attempts, oldest first."""
    rows = connection.execute(_RECENT, {"limit": _RECENT_ATTEMPTS})
    return [(row["tenant"], row["url"], row["duration_ms"]) for row in reversed(rows)]


_RECENT_ATTEMPTS = 4096
_RECENT = """
    SELECT tenant, url, duration_ms FROM webhook_attempts JOIN webhook_outbox ON webhook_outbox.id = webhook_id
    ORDER BY webhook_attempts.id DESC LIMIT :limit"""
