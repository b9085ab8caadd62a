"""The service's schema, version by version; Alembic applies them when its database is opened."""

REVISIONS = ("s0001",)
"""All revisions that this version of comfypipe knows, oldest first; the last one is what it works with."""
