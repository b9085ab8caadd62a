"""Who did what, when, and from where: a row for every request that changed something. Never a secret."""

from dataclasses import dataclass

from comfypipe._types import JSONObject
from comfypipe.service.times import iso
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert

KEPT_MS = 400 * 24 * 3600 * 1000
"""How long rows are kept: a year and a month."""

COMMAND_LINE = "command line"
"""Where an operator's changes come from."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """
    Something that was done.

    Attributes:
        key_id: Of the API key that allowed it; None for the operator, or where no key is asked for.
        action: What was done: ``key.create``, ``run.create``, …
        target: To what: an id.
        origin: From where: the client's address, or `COMMAND_LINE`.
    """

    at_ms: int
    tenant: str
    key_id: str | None
    action: str
    target: str
    origin: str

    def to_json(self) -> JSONObject:
        """Return it for lists."""
        return {
            "at": iso(self.at_ms),
            "tenant": self.tenant,
            "key_id": self.key_id,
            "action": self.action,
            "target": self.target,
            "origin": self.origin,
        }


def record(connection: Connection, row: AuditRow) -> None:
    """Note it, in the transaction of what was done."""
    values = {
        "at_ms": row.at_ms,
        "tenant": row.tenant,
        "key_id": row.key_id,
        "action": row.action,
        "target": row.target,
        "origin": row.origin,
    }
    insert(connection, "audit", values)


def recorded(connection: Connection, tenant: str | None = None, *, limit: int = 100) -> list[AuditRow]:
    """Return the newest rows of a tenant, or of all, newest first."""
    where = "" if tenant is None else "WHERE tenant = :tenant "
    query = f"SELECT at_ms, tenant, key_id, action, target, origin FROM audit {where}ORDER BY id DESC LIMIT :limit"  # noqa: S608  columns of our own
    values = {"limit": limit} | ({} if tenant is None else {"tenant": tenant})
    return [AuditRow(**row) for row in connection.execute(query, values)]


def forget(connection: Connection, now_ms: int) -> None:
    """Drop what is older than it is kept."""
    connection.change("DELETE FROM audit WHERE at_ms < :before", {"before": now_ms - KEPT_MS})
