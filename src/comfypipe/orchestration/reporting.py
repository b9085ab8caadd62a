"""A run inside a flow run: carried out by the execution, shown by Prefect while it goes on and when it has ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import runtime
from prefect.logging import get_run_logger

from comfypipe.execution.cancel import cancel_run
from comfypipe.execution.events import Event, JobRetried, Listener, RunStarted, ignore
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.orchestration.artifacts import publish_run
from comfypipe.orchestration.begun import BegunRuns
from comfypipe.orchestration.progress import StepTasks, Tally, progress_artifact


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
    tally, steps = Tally(), StepTasks()
    listener = all_of(tally, begun_runs(project), log, *([steps] if step_tasks else []))
    async with progress_artifact(name, lambda: tally.percent, tally.changed):
        try:
            run = await project.run(
                name,
                inputs,
                preset=preset,
                backend=backend,
                out=Path(out) if out else None,
                check=False,
                listener=listener,
            )
        finally:
            await steps.settle()
    await publish_run(run)
    if run.failure is not None:
        raise run.failure
    return run


async def cancel_flow_run(project: Project, flow_run_id: UUID) -> tuple[str, ...]:
    """Cancel what a flow run began and did not end, and return the ids of those runs."""
    begun = BegunRuns.of(project.layout, flow_run_id)
    cancelled = [run_id for run_id in begun.ids() if await cancel_run(project, run_id, "cancelled in Prefect")]
    for run_id in begun.ids():
        begun.forget(run_id)
    return tuple(cancelled)


def begun_runs(project: Project) -> Listener:
    """Return what notes the runs that the flow run around the caller begins."""
    flow_run_id = runtime.flow_run.get_id()
    return BegunRuns.of(project.layout, flow_run_id) if flow_run_id is not None else ignore


def log(event: Event) -> None:
    """Write to the flow run's log what one looks for there."""
    match event:
        case RunStarted():
            goes_on = f", which goes on with run {event.continues}" if event.continues else ""
            get_run_logger().info("comfypipe run %s%s", event.run_id, " resumed" if event.resumed else goes_on)
        case JobRetried():
            text = "step %s is tried again in %.0f s: %s"
            get_run_logger().warning(text, event.step, event.delay_s, event.error)


def all_of(*listeners: Listener) -> Listener:
    """Return a listener that tells several."""

    def listen(event: Event) -> None:
        for each in listeners:
            each(event)

    return listen
