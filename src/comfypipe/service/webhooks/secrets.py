"""
The secrets that deliveries are signed with, one or, while one replaces another, two or more for a tenant.

The database must not hold them, and they must be had to sign; so they are derived: an HMAC of the tenant and the
secret's id, with a key that lies in a file of its own beside the database.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from comfypipe.errors import StoreError
from comfypipe.service.secret_files import SECRET_BYTES, secret_in
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert, update
from comfypipe.webhooks import format_secret

MOST = 4
"""How many secrets of a tenant sign at once."""

OVERLAP_S = 24 * 3600
"""How long an old secret signs beside its successor, where nothing else is said."""


class SigningKey:
    """
    What all secrets are derived from.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def at(cls, path: Path) -> "SigningKey":
        """
        Return the key in a file, which is made, for its owner alone to read, where it is not there.

        Raises:
            StoreError: The file holds something else, or cannot be read or made.
        """
        key = secret_in(path)
        if len(key) != SECRET_BYTES:
            raise StoreError(
                f"{path} is not the key that webhooks' secrets are derived from: that has {SECRET_BYTES} bytes",
                hint="bring it back from a backup; without it, receivers need new secrets: remove it to begin anew",
            )
        return cls(key)

    def secret(self, tenant: str, secret_id: str) -> str:
        """Return the secret of this id as receivers write it: ``whsec_…``."""
        said = f"comfypipe webhook secret\0{tenant}\0{secret_id}".encode()
        return format_secret(hmac.new(self._key, said, hashlib.sha256).digest())

    def __repr__(self) -> str:
        return "SigningKey(…)"


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """
    A secret as it is kept.

    Attributes:
        sha256: Of the secret: tells whether the key that it is derived from is still the same.
        expires_ms: When it stops signing; None while it has no successor.
    """

    id: str
    tenant: str
    sha256: str
    created_ms: int
    expires_ms: int | None


def rotate(
    connection: Connection, key: SigningKey, tenant: str, *, overlap_ms: int, now_ms: int
) -> tuple[str, SecretRecord]:
    """
    Return a new secret, told once, with its record; those before it go on signing for *overlap_ms*.

    No more than `MOST` sign at once: the headers of a delivery have to stay short.
    """
    for age, record in enumerate(active(connection, tenant, now_ms), start=1):
        ends_ms = now_ms + overlap_ms if age < MOST else now_ms
        if record.expires_ms is None or record.expires_ms > ends_ms:
            update(connection, "webhook_secrets", {"id": record.id}, {"expires_ms": ends_ms})
    secret_id = f"whs_{secrets.token_hex(12)}"
    text = key.secret(tenant, secret_id)
    record = SecretRecord(secret_id, tenant, _sha256(text), now_ms, None)
    row = {"id": secret_id, "tenant": tenant, "sha256": record.sha256, "created_ms": now_ms, "expires_ms": None}
    insert(connection, "webhook_secrets", row)
    return text, record


def active(connection: Connection, tenant: str, now_ms: int) -> list[SecretRecord]:
    """Return the secrets that sign a tenant's deliveries, newest first."""
    query = (
        "SELECT id, tenant, sha256, created_ms, expires_ms FROM webhook_secrets "
        "WHERE tenant = :tenant AND (expires_ms IS NULL OR expires_ms > :now) "
        "ORDER BY expires_ms IS NOT NULL, created_ms DESC, id"
    )
    return [SecretRecord(**row) for row in connection.execute(query, {"tenant": tenant, "now": now_ms})]


def revoke(connection: Connection, tenant: str, secret_id: str, now_ms: int) -> bool:
    """Let a tenant's secret sign no more, at once; False when it has none of this id that does."""
    query = (
        "UPDATE webhook_secrets SET expires_ms = :now "
        "WHERE tenant = :tenant AND id = :id AND (expires_ms IS NULL OR expires_ms > :now)"
    )
    return connection.change(query, {"now": now_ms, "tenant": tenant, "id": secret_id}) > 0


def derived(key: SigningKey, records: Sequence[SecretRecord]) -> list[str]:
    """
    Return the secrets themselves, but for those that were derived from another key: nobody could verify what they sign.

    Raises:
        StoreError: All of them were.
    """
    found = [(key.secret(each.tenant, each.id), each.sha256) for each in records]
    fitting = [text for text, sha256 in found if hmac.compare_digest(_sha256(text), sha256)]
    if records and not fitting:
        raise StoreError(
            "webhooks cannot be signed: their secrets were derived from another key file",
            hint="bring webhook-key back from a backup, or make a new secret: POST /api/v1/webhooks/secrets",
        )
    return fitting


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
