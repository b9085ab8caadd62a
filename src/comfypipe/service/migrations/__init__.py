"""The service's schema, version by version; Alembic applies them when its database is opened."""

from pathlib import Path

from comfypipe.store.database import Migrations

SERVICE = Migrations("service's database", Path(__file__).parent, ("s0001", "s0002", "s0003"))
"""All revisions that this version of comfypipe knows, oldest first; the last one is what it works with."""
