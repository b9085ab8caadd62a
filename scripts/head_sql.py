#!/usr/bin/env python
"""Write what new SQLite files are made of: for each schema what its migrations give, as one script."""

import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from comfypipe.store.database import Migrations, open_database
from comfypipe.store.migrations import LEDGER

SCHEMAS = (LEDGER,)

_STATEMENTS = """
    SELECT sql FROM sqlite_master WHERE sql IS NOT NULL
    ORDER BY type = 'index', CASE type WHEN 'index' THEN name ELSE rowid END"""


def main() -> None:
    """Write the files, or with ``--check`` say which are out of date."""
    check = "--check" in sys.argv[1:]
    for migrations in SCHEMAS:
        script = head_sql(migrations)
        if not check:
            migrations.head_sql.write_text(script, "utf-8")
        elif script != migrations.head_sql.read_text("utf-8"):
            sys.exit(f"{migrations.head_sql.name} of the {migrations.what} is out of date: run make docs")


def head_sql(migrations: Migrations) -> str:
    """Return the script, from a file that was made by the migrations alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.sqlite"
        open_database(path, replace(migrations, by_script=False)).close()
        with closing(sqlite3.connect(path)) as connection:
            found = [sql for (sql,) in connection.execute(_STATEMENTS)]
    version = f"INSERT INTO alembic_version (version_num) VALUES ('{migrations.head}')"  # noqa: S608
    return "".join(f"{_tidy(statement)};\n" for statement in [*found, version])


def _tidy(statement: str) -> str:
    return "\n".join(line.rstrip().replace("\t", "    ") for line in statement.splitlines())


if __name__ == "__main__":
    main()
