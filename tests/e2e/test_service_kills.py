"""After kill -9 of the service at any moment: no acknowledged run is lost, none is executed twice, all is told."""

import asyncio
import random
import time
from pathlib import Path

import httpx
import pytest
from tests.e2e.service_lives import Lives, free_port, receiver, service_context

from comfypipe.service.migrations import SERVICE
from comfypipe.service.rows import RunRow
from comfypipe.service.runs import add_run
from comfypipe.service.settings import ServiceSettings
from comfypipe.store.connection import Connection
from comfypipe.store.worker import DatabaseWorker
from comfypipe.testing import engine_server

CYCLES = 50
OPEN_RUNS = 10_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_service_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Fifty lives, each killed: every run that was acknowledged ends well, once, and its receiver hears of it."""
    with engine_server(tmp_path / "server", faults=["slow-runs=always,ms:20"]) as server, receiver() as told:
        settings = ServiceSettings(
            tmp_path / "service", backend=server.url, authenticate=False, allow_origins=frozenset({told.origin})
        )
        lives = Lives(settings, server, told, random.Random(20_261_122))  # noqa: S311
        for _ in range(CYCLES):
            lives.live(longest_s=0.5, runs=4)
        lives.last(within_s=120)
    assert [] == lives.problems
    assert len(lives.acknowledged) >= CYCLES


@pytest.mark.slow
def test_it_is_ready_within_three_seconds_with_ten_thousand_open_runs(tmp_path: Path) -> None:
    """A service that comes back to 10,000 open runs takes requests within three seconds."""
    settings = ServiceSettings(tmp_path / "service", authenticate=False, drain_s=0.0)
    asyncio.run(fill(settings, OPEN_RUNS))
    port = free_port()
    context = service_context()
    warm = context.Process(target=time.sleep, args=(0,))  # the imports are made once, here
    warm.start()
    warm.join()
    began = time.monotonic()
    lives = Lives.__new__(Lives)
    lives.settings, lives.port, lives.context = settings, port, context
    process = lives._start()
    try:
        with httpx.Client(trust_env=False, timeout=10) as client:
            while True:
                try:
                    reply = client.get(f"http://127.0.0.1:{port}/ready")
                    break
                except httpx.TransportError:
                    time.sleep(0.01)
            ready_s = time.monotonic() - began
    finally:
        process.kill()
        process.join()
    assert 200 == reply.status_code
    assert sum(reply.json()[each] for each in ("waiting", "preparing", "executing")) > OPEN_RUNS - 200
    assert ready_s < 3.0


async def fill(settings: ServiceSettings, count: int) -> None:
    """Store so many open runs, of ten tenants."""
    settings.data.mkdir(parents=True)
    worker = DatabaseWorker(settings.location, SERVICE)
    prompt = {"1": {"class_type": "PreviewAny", "inputs": {"source": "x" * 2000}}}

    def write(connection: Connection) -> None:
        for number in range(count):
            add_run(
                connection,
                RunRow(
                    id=f"{number:021d}",
                    tenant=f"t{number % 10}",
                    workflow_id="w",
                    ledger_id=f"{number:016d}",
                    request={"prompt": prompt},
                    base_url="http://localhost",
                    created_ms=number,
                    updated_ms=number,
                ),
            )

    await worker.write(write)
    await worker.close()
