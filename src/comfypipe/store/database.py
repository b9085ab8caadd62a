"""Opens the ledger's database: connection settings, schema version, and what its faults mean to the user."""

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from comfypipe.errors import ComfypipeError, LedgerUnusable, StoreError
from comfypipe.store.migrations import REVISIONS

BUSY_S = 30.0
"""How long a process waits for another one that writes."""

_HEAD = REVISIONS[-1]


def open_database(url: str) -> sa.Engine:
    """
    Open the database at *url*, made or upgraded where needed.

    Raises:
        LedgerUnusable: It is damaged, not ours, of a newer version, or cannot be written.
        StoreError: The disk is full, or another process holds it for too long.
    """
    engine = _engine(url)
    try:
        _make_folder(engine)
        _upgrade(engine)
    except (DBAPIError, OSError) as error:
        engine.dispose()
        raise explain(error, engine.url) from error
    except ComfypipeError:
        engine.dispose()
        raise
    return engine


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return sa.URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def journal_mode(version: tuple[int, ...]) -> str:
    """
    Return the safest fast journal mode for a version of SQLite.

    WAL can corrupt a database of two connections before 3.51.3, but for the branches that have the repair.

    Source: https://sqlite.org/wal.html, "The WAL-Reset Bug".
    """
    mended = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    return "WAL" if mended else "TRUNCATE"


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_size=1, pool_pre_ping=True)
    # isolation_level None: the driver begins nothing by itself, so that `_begin` decides how
    settings: dict[str, Any] = {"timeout": BUSY_S, "check_same_thread": False, "isolation_level": None}
    engine = sa.create_engine(parsed, connect_args=settings, pool_size=1)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    mode = journal_mode(sqlite3.sqlite_version_info)
    for pragma in (f"journal_mode={mode}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin(connection: sa.Connection) -> None:
    # A writer that begins as a reader fails at once, without waiting, when another one is faster.
    writes = connection.get_execution_options().get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _make_folder(engine: sa.Engine) -> None:
    if path := _path(engine.url):
        path.parent.mkdir(parents=True, exist_ok=True)


def _upgrade(engine: sa.Engine) -> None:
    """Bring the schema up to date; a look at the version is all that it takes when it is."""
    if _is_current(engine):
        return
    path = _path(engine.url)
    if path is None:
        _migrate(engine)
        return
    with FileLock(path.with_name(path.name + ".lock"), timeout=BUSY_S):
        if not _is_current(engine):  # another process may have been first
            _migrate(engine)


def _is_current(engine: sa.Engine) -> bool:
    with engine.connect().execution_options(writes=False) as connection:
        tables = sa.inspect(connection).get_table_names()
        if "alembic_version" not in tables:
            if tables:
                raise _not_ours(engine.url)
            return False
        revision = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision not in REVISIONS:
        raise LedgerUnusable(
            f"{_shown(engine.url)} was written by a newer comfypipe: its schema is {revision}, this one knows {_HEAD}",
            hint="upgrade comfypipe; nothing in the ledger was changed",
        )
    return bool(revision == _HEAD)


def _migrate(engine: sa.Engine) -> None:
    from alembic import command  # takes longer to import than to look at the version: only where it is needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "comfypipe.store:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def explain(error: Exception, url: sa.URL) -> StoreError:
    """Return what a fault of the database means to the user, with what to do about it."""
    if isinstance(error, TimeoutError):  # of the lock around an upgrade
        return _busy(url, error)
    if isinstance(error, OSError):
        return _full(url, error) if error.errno in (errno.ENOSPC, errno.EDQUOT) else _unwritable(url, error)
    original = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(original, "sqlite_errorcode", None)
    meaning = _MEANINGS.get(code & 0xFF) if code is not None else None
    return meaning(url, error) if meaning else StoreError(f"the ledger at {_shown(url)} failed: {original}")


def _damaged(url: sa.URL, _error: Exception) -> StoreError:
    shown = _shown(url)
    return LedgerUnusable(
        f"{shown} is damaged: it is no SQLite database, or parts of it cannot be read",
        hint=f"it was left as it is; keep it aside (mv {shown} {shown}.damaged) and the next command starts a new one: "
        "stored files stay; `sqlite3 FILE .recover` reads what is left of the old one",
    )


def _not_ours(url: sa.URL) -> StoreError:
    return LedgerUnusable(
        f"{_shown(url)} is a database, but not a ledger of comfypipe", hint="move it away, or name another place"
    )


def _full(url: sa.URL, _error: Exception) -> StoreError:
    return StoreError(
        f"cannot write to {_shown(url)}: the disk is full, or failing",
        hint="free some space and run the same command again: it goes on where it was, nothing stored is lost",
    )


def _unwritable(url: sa.URL, error: Exception) -> StoreError:
    reason = error.strerror if isinstance(error, OSError) else "it is read-only, or its folder is"
    return LedgerUnusable(
        f"cannot open {_shown(url)} for writing: {reason}", hint="check the permissions of the file and of its folder"
    )


def _busy(url: sa.URL, _error: Exception) -> StoreError:
    return StoreError(
        f"{_shown(url)} is busy: another process has been writing for more than {BUSY_S:.0f} s",
        hint="wait for it to end, or end it, and run the same command again",
    )


_MEANINGS: dict[int, Callable[[sa.URL, Exception], StoreError]] = {
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


def _path(url: sa.URL) -> Path | None:
    on_disk = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if on_disk else None


def _shown(url: sa.URL) -> str:
    return str(_path(url) or url.render_as_string(hide_password=True))
