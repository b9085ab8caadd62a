"""Opening the ledger: settings, versions, and everything that can be wrong with the file."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from io import StringIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from tests.unit.store.builders import a_job, a_run, an_attempt
from tests.unit.store.limits import file_size_limit

from comfypipe.errors import LedgerUnusable, StoreError
from comfypipe.store.database import Migrations, open_database
from comfypipe.store.ledger import Ledger
from comfypipe.store.migrations import LEDGER
from comfypipe.store.records import AttemptRecord, BatchRecord, JobRecord, OutputRecord, Record, RunRecord
from comfypipe.store.sqlite import journal_mode

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
    connection = open_database(path, LEDGER).connect()
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    found = [value for name in names for row in connection.execute(f"PRAGMA {name}") for value in row.values()]
    connection.close()
    assert [journal_mode(sqlite3.sqlite_version_info).lower(), 2, 1, 30_000] == found


def schema_of(path: Path) -> dict[str, object]:
    """Return what the tables of the database at *path* are, however their statements are written."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: dict[str, object] = {}
        for table in tables:
            for pragma in ("table_info", "foreign_key_list"):
                found[f"{table} {pragma}"] = connection.execute(f"PRAGMA {pragma}({table})").fetchall()
            for index in connection.execute(f"PRAGMA index_list({table})").fetchall():
                columns = [row[2] for row in connection.execute(f"PRAGMA index_info({index[1]})")]
                found[f"{table} {index[1]}"] = (*index[2:], columns)
        found["revision"] = connection.execute("SELECT * FROM alembic_version").fetchall()
    return found


def test_a_new_ledger_is_what_the_migrations_give(path: Path, tmp_path: Path) -> None:
    """The script that makes new files leads to the same tables, keys and indexes as the migrations one by one."""
    migrated = tmp_path / "migrated.sqlite"
    open_database(migrated, replace(LEDGER, by_script=False)).close()
    assert schema_of(migrated) == schema_of(path)


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("runs", RunRecord),
        ("jobs", JobRecord),
        ("attempts", AttemptRecord),
        ("outputs", OutputRecord),
        ("batches", BatchRecord),
    ],
)
def test_a_record_has_the_columns_of_its_table(path: Path, table: str, kind: type[Record]) -> None:
    """Every column has its field, and every field its column."""
    with closing(sqlite3.connect(path)) as connection:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    assert columns == {field.name for field in fields(kind)}


def first_ledger(path: Path) -> None:
    """Make a ledger as version 0001 did, with a run in it."""
    first = Migrations("ledger", LEDGER.folder, ("0001",))
    config = Config()
    config.set_main_option("script_location", str(first.folder))
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (
            """INSERT INTO runs (id, name, kind, status, plan_digest, request_digest, origin, owner, backend, simulated,
            cached, inputs, seeds, outputs, steps, created_ms, version) VALUES ('run1', 'portrait', 'Workflow',
            'completed', 'p', 'r', 'run1', 'me', 'embedded\\:', 0, 0, '{"size"\\: 7}', '{}', '{}', '[]', 5, '0.1.0')""",
            """INSERT INTO jobs (id, run_id, step, workflow, digest, status, simulated, inputs, prompt, models,
            created_ms) VALUES ('job1', 'run1', 'portrait', 'portrait', 'd', 'completed', 0, '{}', '{}', '[]', 6)""",
            """INSERT INTO outputs (job_id, name, position, node_id, value) VALUES ('job1', 'size', 0, '3', '7')""",
        ):
            connection.execute(sa.text(statement))
    engine.dispose()


def test_a_ledger_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Everything that the first version stored is there after the upgrade, and reads the same."""
    path = tmp_path / "ledger.sqlite"
    first_ledger(path)

    async def read() -> tuple[object, ...]:
        ledger = Ledger(path)
        run, outputs = await ledger.run("run1"), await ledger.outputs(["job1"])
        await ledger.close()
        return run.inputs, run.batch_id, run.simulated, outputs["job1"]

    given = (OutputRecord("job1", "size", "3", value=7),)
    assert ({"size": 7}, None, False, given) == asyncio.run(read())
    made = tmp_path / "new.sqlite"
    asyncio.run(add(made))
    open_database(made, LEDGER).close()
    assert schema_of(made) == schema_of(path)


def test_the_schema_suits_other_databases() -> None:
    """PostgreSQL takes the same migrations: every statement of them can be written for it."""
    config = Config()
    config.set_main_option("script_location", str(LEDGER.folder))
    script = ScriptDirectory.from_config(config)
    written = StringIO()
    with EnvironmentContext(config, script, as_sql=True, fn=lambda rev, _: script._upgrade_revs("head", rev)) as env:
        env.configure(dialect_name="postgresql", output_buffer=written, transactional_ddl=True)
        env.run_migrations()
    assert 6 == written.getvalue().count("CREATE TABLE")


def test_opening_a_ledger_loads_neither_alembic_nor_sqlalchemy(tmp_path: Path) -> None:
    """Both are slow to import; a ledger that is new, or up to date, does without."""
    program = (
        "import sys; from pathlib import Path; from comfypipe.store.database import Migrations, open_database\n"
        "from comfypipe.store.migrations import LEDGER\n"
        "open_database(Path(sys.argv[1]), LEDGER)\n"
        "print(sorted({'alembic', 'sqlalchemy'} & set(sys.modules)))"
    )
    for _ in range(2):
        result = subprocess.run(
            [sys.executable, "-c", program, tmp_path / "ledger.sqlite"], capture_output=True, text=True, check=True
        )
        assert "[]\n" == result.stdout


def test_a_ledger_can_be_named_by_url(tmp_path: Path) -> None:
    """A URL of SQLite names the same file as its path."""
    path = tmp_path / "ledger.sqlite"

    async def store() -> None:
        ledger = Ledger(f"sqlite:///{path}")
        await ledger.add_run(a_run("run1"))
        await ledger.close()

    asyncio.run(store())
    assert ["run1"] == asyncio.run(ids(path))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_ledger_is_not_kept_in_memory(url: str) -> None:
    """What would be gone with the process is no ledger."""
    with pytest.raises(LedgerUnusable, match="names no file"):
        open_database(url, LEDGER)


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
    monkeypatch.setattr("comfypipe.store.sqlite.BUSY_S", 0.05)
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
