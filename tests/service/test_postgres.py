"""A service whose database is on a PostgreSQL server."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.postgres import PostgresServer
from tests.service.client import Client, client_of
from tests.service.hosting import taking
from tests.service.materials import copy_prompt, picture_prompt, png
from tests.service.opening import opened, stored
from tests.service.process import serve_process

from comfypipe.service.settings import ServiceSettings


def comfypipe(*arguments: str) -> str:
    """Run a command, and return what it wrote to stdout."""
    command = [sys.executable, "-m", "comfypipe", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_service_works_with_a_server_and_goes_on_after_a_kill(tmp_path: Path, postgres: PostgresServer) -> None:
    """Keys, runs, tags, idempotency, webhooks and the audit log are kept there, and outlive the process."""
    db = ("--db", postgres.make())
    key = comfypipe("keys", "create", "--tenant", "anna", *db).strip()
    with taking() as receiver, serve_process(tmp_path / "data", *db, "--allow-origin", receiver.origin) as service:
        with client_of(service.url, key) as client:
            body = {"prompt": picture_prompt(), "tags": ["50%_a"], "webhook": f"{receiver.origin}/hook"}
            first = asked_twice(client, body)
            assert "COMPLETED" == client.end(first)["status"]
            statuses = [each.headers["webhook-id"] for each in receiver.wait_for(2)]
            assert 2 == len(set(statuses))
            second = client.start(body | {"tags": ["50xxa"], "webhook": None})
        service.kill()
        service.start()
        with client_of(service.url, key) as client:
            assert "COMPLETED" == client.end(second)["status"]
            listed = [
                [run["id"] for run in client.http.get("/workflows/w/runs", params=params).json()]
                for params in (
                    {},
                    {"tag": "50%_a"},
                    {"before": second, "limit": "1"},
                    {"tag": "a\0"},
                    {"before": "a\0"},
                )
            ]
            assert [[second, first], [first], [first], [], []] == listed
            assert 404 == client.http.get("/workflows/w/runs/a%00").status_code
        with client_of(service.url, "cpk_no") as client:
            assert 401 == client.http.get("/workflows/w/runs").status_code
    assert "anna" in comfypipe("keys", "log", *db)


def test_what_has_ended_is_forgotten_there_too(tmp_path: Path, postgres: PostgresServer) -> None:
    """Pruning removes runs and uploads from the server's tables, and what an open one needs stays."""

    async def work() -> None:
        async with opened(ServiceSettings(tmp_path / "data", database=postgres.make(), authenticate=False)) as service:
            url = await service.upload(png())
            run = await service.run({"prompt": copy_prompt("a.png"), "files": {"/input/a.png": url}})
            await service.change("runs", run["id"], status="QUEUED", created_ms=1)
            await service.prune()
            assert (1, 1) == (await service.rows("runs"), await service.rows("uploads"))
            await service.change("runs", run["id"], status="COMPLETED")
            await service.prune()
            tables = ("runs", "uploads", "leftovers")
            assert [0, 0, 0] == [await service.rows(table) for table in tables]
            assert [] == stored(service.parts)

    asyncio.run(work())


def asked_twice(client: Client, body: dict[str, Any]) -> str:
    """Ask for a run twice with one idempotency key, and return its id."""
    replies = [client.post(body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    ids: set[str] = {each.json()["id"] for each in replies}
    assert 1 == len(ids)
    return ids.pop()


def test_a_database_that_is_not_there_ends_the_service_at_once(tmp_path: Path, postgres: PostgresServer) -> None:
    """The error names the database, without its password, and what to do."""
    with pytest.raises(AssertionError) as raised, serve_process(tmp_path / "data", "--db", postgres.url("missing")):
        pass
    said = str(raised.value)
    assert "createdb" in said
    assert postgres.password not in said
