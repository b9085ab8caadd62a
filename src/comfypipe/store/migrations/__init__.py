"""The ledger's schema, version by version; Alembic applies them when a ledger is opened."""

REVISIONS = ("0001",)
"""All revisions that this version of comfypipe knows, oldest first; the last one is what it works with."""
