"""A database on a PostgreSQL server: what can be wrong with it, and with the way to it."""

import asyncio
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.postgres import PostgresServer
from tests.unit.store.builders import a_job, a_run, an_attempt

from comfypipe.errors import LedgerUnusable, StoreError
from comfypipe.service.migrations import SERVICE
from comfypipe.store.database import open_database
from comfypipe.store.ledger import Ledger
from comfypipe.store.migrations import LEDGER
from comfypipe.store.records import AttemptRecord, BatchRecord, JobRecord, OutputRecord, RunRecord

ROOT = Path(__file__).parents[3]


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """Return the URL of an empty database."""
    return postgres.make()


def name_of(url: str) -> str:
    """Return the name of the database."""
    return url.rpartition("/")[2]


async def add(url: str, run: RunRecord) -> None:
    """Store a run."""
    ledger = Ledger(url)
    try:
        await ledger.add_run(run)
    finally:
        await ledger.close()


async def ids(url: str) -> list[str]:
    """Return the ids of the runs that are stored, newest first."""
    ledger = Ledger(url)
    try:
        return [run.id for run in await ledger.runs(limit=1000)]
    finally:
        await ledger.close()


def test_a_record_has_the_columns_of_its_table(url: str, postgres: PostgresServer) -> None:
    """The migrations give every record its table, and every field its column, JSON as text."""
    open_database(url, LEDGER).close()
    kinds = {
        "runs": RunRecord,
        "jobs": JobRecord,
        "attempts": AttemptRecord,
        "outputs": OutputRecord,
        "batches": BatchRecord,
    }
    rows = postgres.run(
        name_of(url),
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'alembic_version'",
    )
    expected = {(table, each.name) for table, kind in kinds.items() for each in fields(kind)}
    assert (expected, set()) == ({(row[0], row[1]) for row in rows}, {row for row in rows if row[2] == "json"})


def test_processes_that_make_the_schema_at_once_make_one(url: str) -> None:
    """When several processes find an empty database, one makes the schema and the others wait for it."""
    program = (
        "import asyncio, sys\nfrom tests.unit.store.builders import a_run\n"
        "from tests.unit.store.test_postgres import add\nasyncio.run(add(sys.argv[1], a_run(sys.argv[2])))"
    )
    names = ["run0", "run1", "run2"]
    started = [subprocess.Popen([sys.executable, "-c", program, url, name], cwd=ROOT) for name in names]
    assert [0, 0, 0] == [process.wait() for process in started]
    assert names == sorted(asyncio.run(ids(url)))


def test_an_orphaned_run_is_adopted_by_one_of_many(url: str) -> None:
    """Of many that want the run of a dead process at the same moment, each on its own connection, one gets it."""

    async def session() -> tuple[int, bool]:
        await add(url, a_run())
        ledgers = [Ledger(url) for _ in range(8)]
        taken = await asyncio.gather(
            *(
                each.adopt_run(a_run().id, owner="owner-1", by=f"new-{n}", plan_digest="q" * 64)
                for n, each in enumerate(ledgers)
            )
        )
        owner = (await ledgers[0].run(a_run().id)).owner
        for each in ledgers:
            await each.close()
        return sum(taken), owner == f"new-{taken.index(True)}"

    assert (1, True) == asyncio.run(session())


def test_what_was_looked_up_is_still_so_when_it_is_written(url: str) -> None:
    """Writers take turns: many that store the same job, each after a look whether it is there, do not collide."""
    run = a_run()
    job = a_job(run)

    async def session() -> int:
        await add(url, run)
        ledgers = [Ledger(url) for _ in range(8)]
        await asyncio.gather(*(each.intend(job, an_attempt(job, n)) for n, each in enumerate(ledgers)))
        stored = len(await ledgers[0].attempts(run.id))
        for each in ledgers:
            await each.close()
        return stored

    assert 8 == asyncio.run(session())


def test_a_connection_that_the_server_ended_is_made_again(url: str, postgres: PostgresServer) -> None:
    """A server that was restarted, or ends what lies idle, costs nobody a call: neither a read nor a write."""

    def end_all() -> None:
        database = name_of(url)
        query = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608
        assert postgres.run("postgres", query)

    async def session() -> list[str]:
        ledger = Ledger(url)
        await ledger.add_run(a_run("run1"))
        end_all()
        await ledger.add_run(a_run("run2"))
        end_all()
        found = [run.id for run in await ledger.runs()]
        await ledger.close()
        return found

    assert ["run2", "run1"] == asyncio.run(session())


def test_the_drivers_name_need_not_be_written(url: str) -> None:
    """``postgresql:``, ``postgres:`` and ``postgresql+pg8000:`` name the same database, with what TLS there is."""
    asyncio.run(add(url, a_run("run1")))
    rest = url.partition("://")[2]
    urls = [f"postgres://{rest}", f"postgresql+pg8000://{rest}", f"{url}?sslmode=disable&application_name=me"]
    assert [["run1"]] * 3 == [asyncio.run(ids(each)) for each in urls]


def test_errors_say_what_to_do_and_no_password(url: str, postgres: PostgresServer) -> None:
    """A wrong password, a database that is not there, and a server that is not there are told apart."""
    password = postgres.password
    wrong = {
        url.replace(password, "wrong-password"): "user and password",
        url + "x": "createdb",
        url.replace(f":{postgres.port}/", ":1/"): "",
        url + "?sslmode=require": "",
    }
    for each, hint in wrong.items():
        with pytest.raises(StoreError) as raised:
            asyncio.run(ids(each))
        told = f"{raised.value} {raised.value.hint}"
        assert hint in told
        assert password not in told
        assert "wrong-password" not in told


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:secret@host/db", 'no way to a database of "mysql"'),
        ("postgresql+psycopg2://me:secret@host/db", 'no way to a database of "postgresql'),
        ("nonsense", "cannot be read"),
        ("postgresql://me:secret@host:port/db", "cannot be read"),
        ("postgresql://host/db?sslmode=perhaps", 'sslmode cannot be "perhaps"'),
        ("postgresql://host/db?fast=1", "what is not known: fast"),
    ],
)
def test_a_url_of_something_else_is_refused(url: str, message: str) -> None:
    """What was never tried is said to be so, before anything is connected to, and without the password."""
    with pytest.raises(LedgerUnusable, match=message) as raised:
        open_database(url, LEDGER)
    assert "secret" not in str(raised.value)


def test_a_missing_driver_is_named() -> None:
    """Without pg8000 the error says how to install it."""
    program = (
        "import sys; sys.modules['pg8000'] = None\nfrom comfypipe.store.database import open_database\n"
        "from comfypipe.store.migrations import LEDGER\nfrom comfypipe.errors import StoreError\n"
        "try:\n    open_database('postgresql://host/db', LEDGER)\nexcept StoreError as error:\n    print(error.hint)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'install it with comfypipe: pip install "comfypipe[postgres]"\n' == result.stdout


def test_another_programs_database_is_refused(url: str, postgres: PostgresServer) -> None:
    """A database with other tables is not taken for an empty one; nor is a service's for a ledger."""
    postgres.run(name_of(url), "CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(LedgerUnusable, match="not a ledger of comfypipe"):
        open_database(url, LEDGER)
    services = postgres.make()
    open_database(services, SERVICE).close()
    with pytest.raises(LedgerUnusable, match="was written by"):
        open_database(services, LEDGER)


def test_what_the_server_does_not_keep_is_an_error_of_the_store(url: str) -> None:
    """Text with a NUL character is not stored, nor found; the next call succeeds, with whatever else there is."""

    async def session() -> list[str]:
        ledger = Ledger(url)
        with pytest.raises(StoreError, match="0x00"):
            await ledger.add_run(a_run("run1", name="a\0b"))
        await ledger.add_run(a_run("run2", name="e\u0301 \U0001f600 'q' :name %s"))
        found = [run.name for run in await ledger.runs()]
        assert () == await ledger.runs(name="a\0b")
        await ledger.close()
        return found

    assert ["e\u0301 \U0001f600 'q' :name %s"] == asyncio.run(session())


def test_a_database_without_rights_is_an_error_that_says_so(url: str, postgres: PostgresServer) -> None:
    """A user who may make no table there is told that it is about rights."""
    postgres.run(name_of(url), "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    postgres.run(name_of(url), "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    of_guest = sa.make_url(url).set(username="guest", password="guest").render_as_string(hide_password=False)  # noqa: S106
    with pytest.raises(LedgerUnusable) as raised:
        open_database(of_guest, LEDGER)
    assert "rights" in str(raised.value.hint)
