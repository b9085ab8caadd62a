"""Flows that are broken off: cancelled, or killed."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from tests.flows.observed import eventually
from tests.flows.prefect_server import PrefectServer, running

from comfypipe.execution.project import Project
from comfypipe.orchestration import flow
from comfypipe.store.records import OPEN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

COLOURS = [f"#{number:02x}8040" for number in range(0, 240, 30)]
SCRIPT = f"""
import asyncio
from comfypipe.orchestration import flow
asyncio.run(flow("product_card")(size=512, colours={COLOURS!r}))
"""

ROWS = 90
BATCH_SCRIPT = """
import asyncio
from flows.recolour_batch import recolour_batch
asyncio.run(recolour_batch(rows="rows.csv", chunk_size=30, concurrency=4, out="out"))
"""


async def begun(project: Project, *, completed: int) -> str:
    """Return the id of the newest run, once so many of its jobs are completed."""

    async def read() -> str | None:
        for run in await project.ledger.runs(limit=1):
            jobs = await project.ledger.jobs(run.id)
            if sum(job.status == "completed" for job in jobs) >= completed:
                return run.id
        return None

    return await eventually(read, what="a run that has begun", timeout_s=120)


async def executions(project: Project) -> Counter[str]:
    """Return by the job's digest how often a prompt was submitted, over all runs."""
    found: Counter[str] = Counter()
    for run in await project.ledger.runs(limit=100):
        digests = {job.id: job.digest for job in await project.ledger.jobs(run.id)}
        found.update(digests[attempt.job_id] for attempt in await project.ledger.attempts(run.id))
    return found


async def statuses(project: Project, run_id: str) -> tuple[str, set[str]]:
    """Return the status of a run, and those of its attempts."""
    attempts = await project.ledger.attempts(run_id)
    return (await project.ledger.run(run_id)).status, {attempt.status for attempt in attempts}


def test_a_cancelled_flow_cancels_its_run(prefect_api: PrefectServer, project_copy: Path) -> None:
    """A flow that is cancelled cancels its prompts on the backend before it ends, and the ledger says so."""

    async def scenario() -> None:
        async with Project.load(project_copy) as project:
            made = flow("product_card", project)
            task = asyncio.ensure_future(made(size=768, colours=COLOURS))
            run_id = await begun(project, completed=2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            status, attempts = await statuses(project, run_id)
            assert ("cancelled", True) == (status, "cancelled" in attempts)

    asyncio.run(scenario())


def test_a_killed_flow_goes_on_and_repeats_nothing(
    prefect_api: PrefectServer, project_copy: Path, tmp_path: Path
) -> None:
    """After kill -9 in the middle of a pipeline, the same flow goes on: what was completed is not executed again."""

    async def scenario() -> None:
        async with Project.load(project_copy) as project:
            command, log = [sys.executable, "-c", SCRIPT], tmp_path / "killed.log"
            with running(command, prefect_api.environment, project_copy, log) as process:
                killed = await begun(project, completed=4)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            before = await executions(project)
            done = {job.digest for job in await project.ledger.jobs(killed) if job.status == "completed"}
            assert "running" == (await project.ledger.run(killed)).status

            run = await flow("product_card", project)(size=512, colours=COLOURS)
            after = await executions(project)
            assert (killed, "completed") == (run.id, run.status)
            assert len(done) >= 4
            assert {digest: before[digest] for digest in done} == {digest: after[digest] for digest in done}
            assert 1 + 8 + 8 + 1 == len(after)

    asyncio.run(scenario())


def test_a_killed_batch_goes_on_and_repeats_no_row(
    prefect_api: PrefectServer, project_copy: Path, tmp_path: Path
) -> None:
    """After kill -9 amid the second chunk the same flow goes on with the same batch: rows that were done stay done."""
    (project_copy / "rows.csv").write_text("colour\n" + "".join(f"#{n:02x}4080\n" for n in range(ROWS)))
    command, log = [sys.executable, "-c", BATCH_SCRIPT], tmp_path / "batch.log"
    environment = {**prefect_api.environment, "PYTHONPATH": str(project_copy)}

    async def completed(project: Project) -> set[str]:
        return {run.id for run in await project.ledger.runs(status="completed", limit=2 * ROWS)}

    async def scenario() -> None:
        async with Project.load(project_copy) as project:

            async def amid_the_second() -> bool | None:
                return len(await completed(project)) > ROWS // 3 + 5 or None

            with running(command, environment, project_copy, log) as process:
                await eventually(amid_the_second, what="a batch in its second chunk", timeout_s=120)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            done = await completed(project)
            assert ROWS // 3 < len(done) < ROWS
            with running(command, environment, project_copy, log) as process:
                assert 0 == await asyncio.to_thread(process.wait, 200), log.read_text()
            (batch,) = await project.ledger.batches.newest(name="recolour")
            ended = await completed(project)
            assert ("completed", ROWS, True) == (batch.status, len(ended), done <= ended)
            assert {1} == {
                sum(attempt.status == "completed" for attempt in await project.ledger.attempts(each)) for each in ended
            }
        results = [json.loads(line) for line in (project_copy / "out/results.jsonl").read_text().splitlines()]
        assert [("completed", row) for row in range(1, ROWS + 1)] == [(each["status"], each["row"]) for each in results]
        assert ROWS == len(list((project_copy / "out").rglob("*.png")))

    asyncio.run(scenario())


def test_the_hook_cancels_what_a_dead_process_left(
    prefect_api: PrefectServer, project_copy: Path, tmp_path: Path
) -> None:
    """Prefect's cancellation hook ends the run of a process that is gone: it knows which runs the flow run began."""

    async def scenario() -> None:
        async with Project.load(project_copy) as project:
            command, log = [sys.executable, "-c", SCRIPT], tmp_path / "killed.log"
            with running(command, prefect_api.environment, project_copy, log) as process:
                run_id = await begun(project, completed=1)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            assert "running" == (await project.ledger.run(run_id)).status
            (left,) = (project.layout.state / "prefect").iterdir()
            async with get_client() as client:
                flow_run = await client.read_flow_run(UUID(left.name))
            assert "Running" == flow_run.state_name
            made = flow("product_card", project)
            hook: Any = made.on_cancellation_hooks[0]
            await hook(flow=made, flow_run=flow_run, state=flow_run.state)
            status, attempts = await statuses(project, run_id)
            assert ("cancelled", False) == (status, bool(attempts & {*OPEN}))
            assert not left.exists()

    asyncio.run(scenario())
