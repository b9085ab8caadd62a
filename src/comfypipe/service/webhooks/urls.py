"""URLs that a tenant's events do not go to: those that answered 410, and those that somebody switched off."""

import hashlib
from dataclasses import dataclass

from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert

GONE, BY_HAND = "gone", "by-hand"


@dataclass(frozen=True, slots=True)
class DisabledUrl:
    """
    A URL that gets nothing.

    Attributes:
        reason: ``gone``: it answered 410; ``by-hand``: somebody switched it off.
    """

    url: str
    reason: str
    disabled_ms: int


def is_disabled(connection: Connection, tenant: str, url: str) -> bool:
    """Whether a tenant's events go to *url*; other tenants' are not concerned."""
    query = "SELECT 1 AS found FROM webhook_disabled WHERE tenant = :tenant AND url_sha256 = :digest"
    return bool(connection.execute(query, {"tenant": tenant, "digest": _digest(url)}))


def disable(connection: Connection, tenant: str, url: str, reason: str, now_ms: int) -> None:
    """Send a tenant's events to *url* no more; the first reason stays."""
    if is_disabled(connection, tenant, url):
        return
    row = {"tenant": tenant, "url_sha256": _digest(url), "url": url, "reason": reason, "disabled_ms": now_ms}
    insert(connection, "webhook_disabled", row)


def enable(connection: Connection, tenant: str, url: str) -> bool:
    """Send a tenant's later events to *url* again; False when they had been going there."""
    query = "DELETE FROM webhook_disabled WHERE tenant = :tenant AND url_sha256 = :digest"
    return connection.change(query, {"tenant": tenant, "digest": _digest(url)}) > 0


def disabled(connection: Connection, tenant: str) -> list[DisabledUrl]:
    """Return a tenant's URLs that get nothing, the longest disabled first."""
    query = "SELECT url, reason, disabled_ms FROM webhook_disabled WHERE tenant = :tenant ORDER BY disabled_ms, url"
    return [DisabledUrl(**row) for row in connection.execute(query, {"tenant": tenant})]


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
