"""Who asks."""

from dataclasses import dataclass

LOCAL_TENANT = "local"
"""Whom everything belongs to where no key is asked for."""

SCOPES = frozenset(
    f"{what}:{access}" for what in ("runs", "files", "workflows", "webhooks") for access in ("read", "write")
)
"""All that a key may be allowed."""


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Who sent a request.

    Attributes:
        tenant: Whose rows it may see; ``user_id`` on the wire.
        key_id: Of the API key that it came with; None where none is asked for.
        scopes: What it may do.
    """

    tenant: str
    key_id: str | None = None
    scopes: frozenset[str] = SCOPES


LOCAL = Principal(LOCAL_TENANT)
"""The only one there is with ``--no-auth``."""
