"""A SQLite file: connections that write through and wait for each other, and what its faults mean to the user."""

import errno
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from comfypipe.errors import LedgerUnusable, StoreError
from comfypipe.store.connection import Values

BUSY_S = 30.0
"""How long a process waits for another one that writes."""

_PARAMETER = re.compile(r":(\w+)")


def journal_mode(version: tuple[int, ...]) -> str:
    """
    Return the safest fast journal mode for a version of SQLite.

    WAL can corrupt a database of two connections before 3.51.3, but for the branches that have the repair.

    Source: https://sqlite.org/wal.html, "The WAL-Reset Bug".
    """
    mended = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    return "WAL" if mended else "TRUNCATE"


class SQLiteConnection:
    """A connection to a SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def execute(self, sql: str, values: Values | None = None) -> list[dict[str, Any]]:
        found = self._run(sql, values).fetchall()
        if not found:
            return []
        names = [column[0] for column in self._cursor.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def change(self, sql: str, values: Values | None = None) -> int:
        return self._run(sql, values).rowcount

    def change_each(self, sql: str, values: Sequence[Values]) -> None:
        statement, names = _positional(sql)
        self._cursor.executemany(statement, [[each[name] for name in names] for each in values])

    def _run(self, sql: str, values: Values | None) -> sqlite3.Cursor:
        if not values:
            return self._cursor.execute(sql)
        statement, names = _positional(sql)
        return self._cursor.execute(statement, [values[name] for name in names])

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[None]:
        # A writer that begins as a reader fails at once, without waiting, when another one is faster.
        self._cursor.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            yield
            self._cursor.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled back already
                self._cursor.execute("ROLLBACK")
            raise

    def tables(self) -> frozenset[str]:
        found = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return frozenset(name for (name,) in found)

    def close(self) -> None:
        self._connection.close()


@cache
def _positional(sql: str) -> tuple[str, tuple[str, ...]]:
    """
    Return a statement with ``?`` for each ``:name``, and the names in their order.

    For each name that the driver asks SQLite for, it lets other threads run, and then has to wait for its turn again.
    Statements are constants of the program, and quote no colons.
    """
    return _PARAMETER.sub("?", sql), tuple(_PARAMETER.findall(sql))


class SQLiteDatabase:
    """
    A database in a file.

    Args:
        path: The file; made, with its folder, when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def shown(self) -> str:
        return str(self._path)

    def connect(self) -> SQLiteConnection:
        return SQLiteConnection(self._open(foreign_keys=True))

    def prepare(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def lock(self) -> AbstractContextManager[Any]:
        from filelock import FileLock  # only for those who make or change the schema

        return FileLock(self._path.with_name(self._path.name + ".lock"), timeout=BUSY_S)

    def migration_engine(self) -> Any:
        import sqlalchemy as sa  # takes long to import: only for those who change the schema

        # Foreign keys are off: SQLite changes a table by making another one, and dropping the first.
        engine = sa.create_engine(
            "sqlite://", creator=lambda: self._open(foreign_keys=False), poolclass=sa.pool.NullPool
        )
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    def explain(self, error: BaseException, what: str) -> StoreError | None:
        error = getattr(error, "orig", None) or error  # as SQLAlchemy wraps it
        if isinstance(error, TimeoutError):  # of the lock around an upgrade
            return _busy(self.shown, error)
        if isinstance(error, OSError):
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            return _full(self.shown, error) if full else _unwritable(self.shown, error)
        if not isinstance(error, sqlite3.Error):
            return None
        code = getattr(error, "sqlite_errorcode", None)
        meaning = _MEANINGS.get(code & 0xFF) if code is not None else None
        return meaning(self.shown, error) if meaning else StoreError(f"the {what} at {self.shown} failed: {error}")

    def close(self) -> None:
        """Let go of nothing: connections are closed by those who have them."""

    def _open(self, *, foreign_keys: bool) -> sqlite3.Connection:
        # isolation_level None: the driver begins nothing by itself, so that `transaction` decides how
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
        try:
            mode = journal_mode(sqlite3.sqlite_version_info)
            keys = "ON" if foreign_keys else "OFF"
            for pragma in (f"journal_mode={mode}", "synchronous=FULL", f"foreign_keys={keys}"):
                connection.execute(f"PRAGMA {pragma}").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection


def _damaged(shown: str, _error: BaseException) -> StoreError:
    return LedgerUnusable(
        f"{shown} is damaged: it is no SQLite database, or parts of it cannot be read",
        hint=f"it was left as it is; keep it aside (mv {shown} {shown}.damaged) and the next command starts a new one: "
        "stored files stay; `sqlite3 FILE .recover` reads what is left of the old one",
    )


def _full(shown: str, _error: BaseException) -> StoreError:
    return StoreError(
        f"cannot write to {shown}: the disk is full, or failing",
        hint="free some space and run the same command again: it goes on where it was, nothing stored is lost",
    )


def _unwritable(shown: str, error: BaseException) -> StoreError:
    reason = error.strerror if isinstance(error, OSError) else "it is read-only, or its folder is"
    return LedgerUnusable(
        f"cannot open {shown} for writing: {reason}", hint="check the permissions of the file and of its folder"
    )


def _busy(shown: str, _error: BaseException) -> StoreError:
    return StoreError(
        f"{shown} is busy: another process has been writing for more than {BUSY_S:.0f} s",
        hint="wait for it to end, or end it, and run the same command again",
    )


_MEANINGS: dict[int, Callable[[str, BaseException], StoreError]] = {
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_READONLY: _unwritable,
    sqlite3.SQLITE_PERM: _unwritable,
    sqlite3.SQLITE_CANTOPEN: _unwritable,
    sqlite3.SQLITE_IOERR: _full,
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_CORRUPT: _damaged,
    sqlite3.SQLITE_NOTADB: _damaged,
}
