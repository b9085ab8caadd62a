"""A database on a PostgreSQL server, through SQLAlchemy: imported only by those who have one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from comfypipe.errors import LedgerUnusable, StoreError
from comfypipe.store.connection import Values
from comfypipe.store.server_url import read_url

BUSY_S = 30
"""How long to wait for another process that is writing: as long as with SQLite."""

_LOCK = 0x636F6D66  # "comf": what all processes of ours that use one database take by turns
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_TURN = f"SELECT pg_advisory_xact_lock({_LOCK})"
_LOCK_NOT_AVAILABLE = "55P03"
_NOWHERE = "\ufdd0\ufdd0"  # noncharacters of Unicode: nothing that is stored has them

_text = cache(sa.text)
"""Statements are parsed once; their texts are constants of the program."""


class ServerConnection:
    """A connection to a database server."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Values | None = None) -> list[dict[str, Any]]:
        result = self._connection.execute(_text(sql), _searchable(values))
        return [dict(row) for row in result.mappings()] if result.returns_rows else []

    def change(self, sql: str, values: Values | None = None) -> int:
        return self._connection.execute(_text(sql), values).rowcount

    def change_each(self, sql: str, values: Sequence[Values]) -> None:
        if values:  # without any, SQLAlchemy runs it once, without values
            self._connection.execute(_text(sql), values)

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:
        """
        Commit what is done inside when it ends well, undo it when it does not.

        As with SQLite, writers take turns, so that what one has looked up is still so when it writes, and a reader
        sees one state from beginning to end.
        """
        self._begin(_TURN if writes else _SNAPSHOT)
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def _begin(self, statement: str) -> None:
        try:
            self._connection.execute(_text(statement))
        except DBAPIError as error:
            if _field(error, "C") == _LOCK_NOT_AVAILABLE:
                raise
            # The server may have ended a connection that lay idle, or itself, since the last transaction.
            self._connection.invalidate()
            self._connection.rollback()
            self._connection.execute(_text(statement))

    def tables(self) -> frozenset[str]:
        found = frozenset(sa.inspect(self._connection).get_table_names())
        self._connection.rollback()  # looking has begun a transaction
        return found

    def close(self) -> None:
        self._connection.close()


class ServerDatabase:
    """
    A database at a URL.

    Args:
        url: ``postgresql://user:password@host:port/database``, or ``postgresql+pg8000://…``.

    Raises:
        LedgerUnusable: It is no such URL.
        StoreError: The driver is not installed.
    """

    def __init__(self, url: str) -> None:
        read, options = read_url(url)
        options["startup_params"] = {"lock_timeout": f"{BUSY_S}s"}
        self._engine = sa.create_engine(read, pool_size=1, pool_pre_ping=True, connect_args=options)

    @property
    def shown(self) -> str:
        url = self._engine.url.set(drivername="postgresql")
        return url.render_as_string(hide_password=True)

    def connect(self) -> ServerConnection:
        return ServerConnection(self._engine.connect())

    def prepare(self) -> None:
        """Make nothing: databases are made by those who run the server."""

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from changing the schema: on a connection of its own, whose end would end it too."""
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(_text(f"SELECT pg_advisory_lock({_LOCK})"))
            try:
                yield
            finally:
                connection.execute(_text(f"SELECT pg_advisory_unlock({_LOCK})"))

    def migration_engine(self) -> sa.Engine:
        return self._engine

    def explain(self, error: BaseException, what: str) -> StoreError | None:
        if not isinstance(error, DBAPIError):
            return None
        said = _field(error, "M") or str(error.orig)
        code = _field(error, "C") or ""
        if code == _LOCK_NOT_AVAILABLE:
            return StoreError(f"{self.shown} is busy: another process has been writing for {BUSY_S} s", hint=_AGAIN)
        hint = _HINTS.get(code) or _HINTS.get(code[:2])
        if hint is not None:
            return LedgerUnusable(f"the {what} at {self.shown} cannot be used: {said}", hint=hint)
        return StoreError(f"the {what} at {self.shown} failed: {said}")

    def close(self) -> None:
        self._engine.dispose()


def _searchable(values: Values | None) -> Values | None:
    """Return values to look for: PostgreSQL keeps no NUL character, and refuses one even in what is only compared."""
    if values is None or not any(isinstance(each, str) and "\0" in each for each in values.values()):
        return values
    return {name: each.replace("\0", _NOWHERE) if isinstance(each, str) else each for name, each in values.items()}


def _field(error: DBAPIError, name: str) -> str | None:
    """Return a field of the server's message: "C", its code, or "M", its text; None where no server spoke."""
    told = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return told.get(name) if isinstance(told, dict) else None


_AGAIN = "end it, or wait, and try again"
_RIGHTS = "give the user of the URL its rights in the database, or take a database of its own"

# Source: https://www.postgresql.org/docs/current/errcodes-appendix.html; two characters are a class of codes.
_HINTS = {
    "08": "look whether the server runs, and whether the URL is right",
    "28": "look at user and password in the URL",
    "3D000": "make it first: createdb NAME",
    "3F000": _RIGHTS,
    "42501": _RIGHTS,
    "53": "look at the server: it has no room, or no connection, left",
    "25006": "the server takes no changes: is it a replica?",
}
