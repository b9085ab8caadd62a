"""Opening the ledger: settings, versions, and everything that can be wrong with the file."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from tests.unit.store.builders import a_job, a_run, an_attempt
from tests.unit.store.limits import file_size_limit

from comfypipe.errors import LedgerUnusable, StoreError
from comfypipe.store.database import journal_mode, open_database, sqlite_url
from comfypipe.store.ledger import Ledger
from comfypipe.store.migrations import REVISIONS
from comfypipe.store.records import RunRecord
from comfypipe.store.tables import metadata

NOBODY = 65534


async def add(path: Path, *runs: RunRecord) -> None:
    """Store *runs* in the ledger at *path*."""
    ledger = Ledger(path)
    try:
        for run in runs:
            await ledger.add_run(run)
    finally:
        await ledger.close()


async def ids(path: Path) -> list[str]:
    """Return the ids of the runs in the ledger at *path*."""
    ledger = Ledger(path)
    try:
        return [run.id for run in await ledger.runs(limit=1000)]
    finally:
        await ledger.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a ledger that holds one run."""
    path = tmp_path / "ledger.sqlite"
    asyncio.run(add(path, a_run("run1")))
    return path


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((3, 40, 1), "TRUNCATE"),
        ((3, 44, 5), "TRUNCATE"),
        ((3, 44, 6), "WAL"),
        ((3, 45, 0), "TRUNCATE"),
        ((3, 50, 6), "TRUNCATE"),
        ((3, 50, 7), "WAL"),
        ((3, 51, 0), "TRUNCATE"),
        ((3, 51, 2), "TRUNCATE"),
        ((3, 51, 3), "WAL"),
        ((3, 52, 0), "WAL"),
    ],
)
def test_the_journal_mode_follows_the_version(version: tuple[int, ...], expected: str) -> None:
    """WAL only where SQLite does not corrupt it."""
    assert expected == journal_mode(version)


def test_connections_wait_and_write_through(path: Path) -> None:
    """Every connection has the safe journal, full syncing, foreign keys, and patience with other processes."""
    engine = open_database(sqlite_url(path))
    with engine.connect() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    engine.dispose()
    assert [journal_mode(sqlite3.sqlite_version_info).lower(), 2, 1, 30_000] == found


def test_migrations_lead_to_the_declared_tables(path: Path) -> None:
    """A ledger made by the migrations has exactly the tables that the code declares."""
    engine = open_database(sqlite_url(path))
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    engine.dispose()
    assert ([], REVISIONS[-1]) == (differences, revision)


def test_the_schema_suits_other_databases() -> None:
    """PostgreSQL takes the same tables: every type and index compiles for it."""
    from sqlalchemy.dialects import postgresql

    dialect: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    statements = [str(sa.schema.CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    assert 4 == len(statements)


def test_opening_a_current_ledger_does_not_load_alembic(path: Path) -> None:
    """Alembic is slow to import; a ledger that is up to date does without."""
    program = (
        "import sys; from comfypipe.store.database import open_database\n"
        "open_database(sys.argv[1]).dispose()\n"
        "print('alembic' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, sqlite_url(path)], capture_output=True, text=True, check=True
    )
    assert "False\n" == result.stdout


def test_a_second_process_can_use_the_same_ledger(path: Path) -> None:
    """Two processes that write at the same time both get all their runs in."""
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from tests.unit.store.builders import a_run\nfrom tests.unit.store.test_database import add\n"
        "asyncio.run(add(Path(sys.argv[1]), *(a_run(f'other{n}') for n in range(50))))"
    )
    with subprocess.Popen([sys.executable, "-c", program, path], cwd=Path(__file__).parents[3]) as other:
        asyncio.run(add(path, *(a_run(f"mine{number}") for number in range(50))))
        assert 0 == other.wait()
    assert 101 == len(asyncio.run(ids(path)))


def test_processes_that_make_the_ledger_at_once_make_one(tmp_path: Path) -> None:
    """When several processes find no ledger, one makes it and the others wait for it."""
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from tests.unit.store.builders import a_run\nfrom tests.unit.store.test_database import add\n"
        "asyncio.run(add(Path(sys.argv[1]), a_run(sys.argv[2])))"
    )
    path = tmp_path / "state" / "ledger.sqlite"
    root = Path(__file__).parents[3]
    names = ["run0", "run1", "run2"]
    started = [subprocess.Popen([sys.executable, "-c", program, path, name], cwd=root) for name in names]
    assert [0, 0, 0] == [process.wait() for process in started]
    assert names == sorted(asyncio.run(ids(path)))


@pytest.mark.parametrize(
    "content", [b"this is no database, whatever its name says\n" * 50, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_ledger_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    """A damaged file is an error that says how to keep it, and not one byte of it changes."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerUnusable, match="damaged") as raised:
        asyncio.run(ids(path))
    assert f"mv {path} {path}.damaged" in str(raised.value.hint)
    assert content == path.read_bytes()


def test_damage_inside_is_found_when_it_is_read(path: Path) -> None:
    """A ledger whose first page is fine and whose others are not is an error of the same kind, and stays."""
    content = path.read_bytes()
    content = content[:4096] + b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(LedgerUnusable, match="damaged"):
        asyncio.run(ids(path))
    assert content == path.read_bytes()


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A database with other tables is not taken for an empty ledger."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(LedgerUnusable, match="not a ledger of comfypipe"):
        asyncio.run(ids(path))


def test_a_ledger_of_a_newer_version_is_refused(path: Path) -> None:
    """A schema that this version does not know is named, and left as it is."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerUnusable, match="written by a newer comfypipe: its schema is 9999"):
        asyncio.run(ids(path))


def test_a_ledger_that_another_program_holds_is_an_error_in_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting has an end; the error says that another process is writing."""
    monkeypatch.setattr("comfypipe.store.database.BUSY_S", 0.05)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="busy"):
            asyncio.run(add(path, a_run("run2")))


@contextmanager
def without_privileges() -> Iterator[Path]:
    """Give a folder that belongs to somebody else, to a process that the permissions of files bind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = folder / "ledger.sqlite"
        asyncio.run(add(path, a_run("run1")))
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
        else:
            path.chmod(0o444)
            folder.chmod(0o555)
        try:
            yield folder
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_read_only_folder_is_an_error_that_says_so() -> None:
    """A ledger that cannot be written names the file and where to look; what is in it can still be read."""
    with without_privileges() as folder:
        assert ["run1"] == asyncio.run(ids(folder / "ledger.sqlite"))
        with pytest.raises(LedgerUnusable, match="for writing") as raised:
            asyncio.run(add(folder / "ledger.sqlite", a_run("run2")))
        assert "permissions" in str(raised.value.hint)


def test_a_folder_that_cannot_be_made_is_an_error_that_says_so() -> None:
    """Where no ledger can be made the error is one of the ledger, not of the system."""
    with without_privileges() as folder, pytest.raises(LedgerUnusable, match="for writing"):
        asyncio.run(add(folder / "state" / "ledger.sqlite", a_run()))


def test_a_full_disk_loses_nothing_that_was_stored(path: Path) -> None:
    """When there is no room for a write it fails with a hint, and all that was there before is there after."""
    run = a_run("run1")
    job = a_job(run)
    room = path.stat().st_size + 1000

    async def fill() -> None:
        ledger = Ledger(path)
        try:
            await ledger.runs()
            with file_size_limit(room):
                for number in range(1, 100):
                    await ledger.intend(job, an_attempt(job, number))
        finally:
            await ledger.close()

    with pytest.raises(StoreError, match="free some space"):
        asyncio.run(fill())
    assert ["run1"] == asyncio.run(ids(path))
    asyncio.run(add(path, a_run("run2")))
    assert ["run2", "run1"] == asyncio.run(ids(path))


def test_a_disk_that_is_full_from_the_start_is_an_error(tmp_path: Path) -> None:
    """Where even an empty ledger does not fit, the error says so and the next try, with room, succeeds."""
    path = tmp_path / "ledger.sqlite"
    with file_size_limit(8192), pytest.raises(StoreError, match="free some space"):
        asyncio.run(ids(path))
    assert [] == asyncio.run(ids(path))
