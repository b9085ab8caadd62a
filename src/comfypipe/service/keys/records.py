"""Keys in the database: made, listed, revoked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.errors import UsageError
from comfypipe.service.keys.format import new_key
from comfypipe.service.principal import SCOPES
from comfypipe.service.times import iso
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert

_COLUMNS = "id, tenant, name, sha256, scopes, created_ms, expires_ms, revoked_ms"
_TENANT_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """
    A key as it is kept.

    Attributes:
        name: What its owner calls it.
        sha256: Of the key's text.
    """

    id: str
    tenant: str
    name: str
    sha256: str
    scopes: frozenset[str]
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None

    def state(self, now_ms: int) -> str:
        """Return ``active``, ``expired`` or ``revoked``."""
        if self.revoked_ms is not None:
            return "revoked"
        return "expired" if self.expires_ms is not None and self.expires_ms <= now_ms else "active"

    def to_json(self, now_ms: int) -> JSONObject:
        """Return it for lists: nothing that opens anything."""
        return {
            "id": self.id,
            "tenant": self.tenant,
            "name": self.name,
            "scopes": sorted(self.scopes),
            "state": self.state(now_ms),
            "created_at": iso(self.created_ms),
            "expires_at": iso(self.expires_ms),
            "revoked_at": iso(self.revoked_ms),
        }


def create(
    connection: Connection, tenant: str, *, name: str, scopes: Iterable[str], expires_ms: int | None, now_ms: int
) -> tuple[str, KeyRecord]:
    """Add a key and return its text, which is told once and kept nowhere, with its record."""
    text, key = new_key()
    record = KeyRecord(key.id, tenant, name, key.sha256, frozenset(scopes), now_ms, expires_ms, None)
    row = {
        "id": record.id,
        "tenant": tenant,
        "name": name,
        "sha256": record.sha256,
        "scopes": " ".join(sorted(record.scopes)),
        "created_ms": now_ms,
        "expires_ms": expires_ms,
        "revoked_ms": None,
    }
    insert(connection, "api_keys", row)
    return text, record


def find(connection: Connection, key_id: str) -> KeyRecord | None:
    """Return the key of this id."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM api_keys WHERE id = :id", {"id": key_id})  # noqa: S608
    return _record(rows[0]) if rows else None


def listed(connection: Connection, tenant: str | None = None) -> list[KeyRecord]:
    """Return the keys of a tenant, or of all, oldest first."""
    where = "" if tenant is None else "WHERE tenant = :tenant "
    values = {} if tenant is None else {"tenant": tenant}
    query = f"SELECT {_COLUMNS} FROM api_keys {where}ORDER BY created_ms, id"  # noqa: S608  columns of our own
    return [_record(row) for row in connection.execute(query, values)]


def revoke(connection: Connection, key_id: str, now_ms: int) -> KeyRecord | None:
    """Revoke a key for good and return it; None where there is none. A second time changes nothing."""
    connection.change(
        "UPDATE api_keys SET revoked_ms = :now WHERE id = :id AND revoked_ms IS NULL", {"now": now_ms, "id": key_id}
    )
    return find(connection, key_id)


def check_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """
    Return *scopes* as a set.

    Raises:
        UsageError: There is none, or one that does not exist.
    """
    wanted = frozenset(scopes)
    unknown = sorted(wanted - SCOPES)
    if unknown or not wanted:
        raise UsageError(
            f"no such scope: {', '.join(unknown)}" if unknown else "a key needs a scope",
            hint=f"there are {', '.join(sorted(SCOPES))}",
        )
    return wanted


def check_tenant(tenant: str) -> str:
    """
    Return *tenant*.

    Raises:
        UsageError: It cannot name one: it shows as ``user_id`` and in paths.
    """
    if not tenant.isascii() or not tenant.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f'"{tenant}" cannot name a tenant', hint="letters, digits, dots, hyphens and underscores can")
    if len(tenant) > _TENANT_CHARACTERS:
        raise UsageError(f"the name of a tenant has at most {_TENANT_CHARACTERS} characters")
    return tenant


def _record(row: dict[str, Any]) -> KeyRecord:
    return KeyRecord(**{**row, "scopes": frozenset(row["scopes"].split())})
