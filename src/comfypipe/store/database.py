"""Opens a database: found by its file or URL, its schema made or brought up to date."""

from dataclasses import dataclass
from pathlib import Path

from comfypipe.errors import ComfypipeError, LedgerUnusable
from comfypipe.store.connection import Connection, Database
from comfypipe.store.sqlite import SQLiteDatabase


@dataclass(frozen=True, slots=True)
class Migrations:
    """
    The versions of a schema, as Alembic applies them.

    Attributes:
        what: What messages call a database with this schema.
        folder: Where ``env.py`` and ``versions/`` are.
        revisions: All that this version of comfypipe knows, oldest first.
        by_script: New SQLite files are made of the folder's ``head.sql`` (written by ``scripts/head_sql.py``), without
            importing Alembic.
    """

    what: str
    folder: Path
    revisions: tuple[str, ...]
    by_script: bool = False

    @property
    def head(self) -> str:
        """The revision that the code works with."""
        return self.revisions[-1]

    @property
    def head_sql(self) -> Path:
        """What makes a new SQLite file as the revisions would."""
        return self.folder / "head.sql"


def open_database(location: Path | str, migrations: Migrations) -> Database:
    """
    Open the database at *location*, made or upgraded where needed.

    Args:
        location: The path of a SQLite file, or a database URL.

    Raises:
        LedgerUnusable: It is damaged, not ours, of a newer version, or cannot be written.
        StoreError: The disk is full, or another process holds it for too long.
    """
    database = _database(location)
    try:
        database.prepare()
        _bring_up_to_date(database, migrations)
    except BaseException as error:
        database.close()
        explained = None if isinstance(error, ComfypipeError) else database.explain(error, migrations.what)
        if explained is None:
            raise
        raise explained from error
    return database


def _database(location: Path | str) -> Database:
    path = _sqlite_path(location) if isinstance(location, str) else location
    if path is not None:
        return SQLiteDatabase(path)
    from comfypipe.store.database_server import ServerDatabase

    return ServerDatabase(str(location))


def _sqlite_path(url: str) -> Path | None:
    scheme, _, rest = url.partition("://")
    if scheme.split("+")[0] != "sqlite":
        return None
    if not rest.startswith("/") or rest in ("/", "/:memory:"):
        raise LedgerUnusable(f'"{url}" names no file', hint="write sqlite:///relative/path or sqlite:////absolute/path")
    return Path(rest[1:])


def _bring_up_to_date(database: Database, migrations: Migrations) -> None:
    """Make or upgrade the schema; a look at the version is all that it takes when it is current."""
    if _revision(database, migrations) == migrations.head:
        return
    with database.lock():
        found = _revision(database, migrations)  # another process may have been first
        if found == migrations.head:
            return
        if found is None and migrations.by_script and isinstance(database, SQLiteDatabase):
            _create(database, migrations)
        else:
            _migrate(database, migrations)


def _revision(database: Database, migrations: Migrations) -> str | None:
    """Return the revision of the schema; None where there is none yet."""
    connection = database.connect()
    try:
        tables = connection.tables()
        if "alembic_version" not in tables:
            if tables:
                raise _not_ours(database, migrations)
            return None
        with connection.transaction(writes=False):
            found = [row["version_num"] for row in connection.execute("SELECT version_num FROM alembic_version")]
    finally:
        connection.close()
    revision: str | None = found[0] if found else None
    if revision is not None and revision not in migrations.revisions:
        raise LedgerUnusable(
            f"{database.shown} was written by a newer comfypipe: its schema is {revision}, "
            f"this one knows {migrations.head}",
            hint=f"upgrade comfypipe; nothing in the {migrations.what} was changed",
        )
    return revision


def _create(database: Database, migrations: Migrations) -> None:
    connection = database.connect()
    try:
        with connection.transaction(writes=True):
            _run_script(connection, migrations.head_sql.read_text("utf-8"))
    finally:
        connection.close()


def _run_script(connection: Connection, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement)


def _migrate(database: Database, migrations: Migrations) -> None:
    from alembic import command  # takes longer to import than to look at the version: only where it is needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations.folder).replace("%", "%%"))
    engine = database.migration_engine()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _not_ours(database: Database, migrations: Migrations) -> LedgerUnusable:
    return LedgerUnusable(
        f"{database.shown} is a database, but not a {migrations.what} of comfypipe",
        hint="move it away, or name another place",
    )
