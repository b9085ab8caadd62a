"""A run inside a flow run: carried out by the execution, shown by Prefect while it goes on and when it has ended."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_client, runtime
from prefect.logging import get_run_logger

from comfypipe.execution.events import Event, JobRetried, Listener, RunStarted
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.orchestration.artifacts import attempt, publish_run
from comfypipe.orchestration.cancelling import cancel_run
from comfypipe.orchestration.progress import StepTasks, Tally, progress_artifact

RUN_LABEL = "comfypipe.run."
"""Begins the labels of a flow run that name its runs in the ledger: by them a hook finds what is to be cancelled."""


async def run_reported(
    project: Project,
    name: str,
    inputs: Mapping[str, Any],
    *,
    preset: str | None = None,
    backend: str | None = None,
    out: str | Path | None = None,
    step_tasks: bool = False,
) -> Run:
    """
    Run a workflow or pipeline inside a flow run, and show in Prefect how it goes and what it gave.

    Args:
        step_tasks: Show each step as a task run.

    Raises:
        ComfypipeError: As `Project.run`.
    """
    tally, steps, label = Tally(), StepTasks(), _Label()
    listener = _all(tally, label, _log, *([steps] if step_tasks else []))
    folder = Path(out) if out else None
    async with progress_artifact(name, lambda: tally.percent, tally.changed):
        try:
            run = await project.run(
                name, inputs, preset=preset, backend=backend, out=folder, check=False, listener=listener
            )
        finally:
            await steps.settle()
            await label.settle()
    await publish_run(run)
    if run.failure is not None:
        raise run.failure
    return run


async def cancel_flow_run(project: Project, flow_run_id: UUID) -> tuple[str, ...]:
    """Cancel what a flow run began and did not end, and return the ids of those runs."""
    async with get_client() as client:
        labels = (await client.read_flow_run(flow_run_id)).labels
    begun = [label.removeprefix(RUN_LABEL) for label in labels if label.startswith(RUN_LABEL)]
    return tuple([run_id for run_id in begun if await cancel_run(project, run_id)])


class _Label:
    """Writes the run's id to the labels of the flow run as soon as there is one."""

    def __init__(self) -> None:
        self._writing: set[asyncio.Task[Any]] = set()

    def __call__(self, event: Event) -> None:
        flow_run_id = runtime.flow_run.get_id()
        if isinstance(event, RunStarted) and flow_run_id is not None:
            self._writing.add(asyncio.create_task(attempt(_label(UUID(flow_run_id), event))))

    async def settle(self) -> None:
        """Wait until it is written."""
        await asyncio.gather(*self._writing)


async def _label(flow_run_id: UUID, event: RunStarted) -> None:
    async with get_client() as client:
        await client.update_flow_run_labels(flow_run_id, {f"{RUN_LABEL}{event.run_id}": event.name})


def _log(event: Event) -> None:
    match event:
        case RunStarted():
            goes_on = f", which goes on with run {event.continues}" if event.continues else ""
            get_run_logger().info("comfypipe run %s%s", event.run_id, " resumed" if event.resumed else goes_on)
        case JobRetried():
            text = "step %s is tried again in %.0f s: %s"
            get_run_logger().warning(text, event.step, event.delay_s, event.error)


def _all(*listeners: Listener) -> Listener:
    def listen(event: Event) -> None:
        for each in listeners:
            each(event)

    return listen
