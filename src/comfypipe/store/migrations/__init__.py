"""The ledger's schema, version by version; Alembic applies them when a ledger is opened that is not at the last one."""

from pathlib import Path

from comfypipe.store.database import Migrations

LEDGER = Migrations("ledger", Path(__file__).parent, ("0001", "0002"), by_script=True)
