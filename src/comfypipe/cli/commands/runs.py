"""``comfypipe runs``: what has run, and what came of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe.cli.commands.runs_upkeep import RunId, cancel, prune, retry
from comfypipe.cli.console import Console, columns, plural
from comfypipe.cli.options import AsJson, ProjectFolder

if TYPE_CHECKING:
    from comfypipe.execution.details import JobDetails, RunDetails
    from comfypipe.execution.records import Run

group = typer.Typer(help="List, show and look into runs.", no_args_is_help=True, rich_markup_mode=None)


@group.command("list")
def list_(
    name: Annotated[str | None, typer.Option(help="Only of this workflow or pipeline.", show_default=False)] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status.", show_default=False)] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="ID", help="Only the rows of this batch.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the newest runs."""
    import asyncio

    from comfypipe.execution.project import Project

    console = Console(as_json=as_json)

    async def read() -> "Sequence[Run]":
        async with Project.find(project) as opened:
            batch_id = (await opened.ledger.batches.get(batch)).id if batch is not None else None
            return await opened.runs(name=name, status=status, batch_id=batch_id, limit=limit)

    found = asyncio.run(read())
    console.document([each.to_json() for each in found])
    console.result(columns([_row(each) for each in found]) if found else "no runs")


@group.command()
def show(run_id: RunId, project: ProjectFolder = None, as_json: AsJson = False) -> None:
    """Show a run: its inputs, steps, attempts and outputs."""
    console = Console(as_json=as_json)
    found = _details(project, run_id)
    console.document(found.to_json())
    console.result(_page(found))


@group.command()
def outputs(run_id: RunId, project: ProjectFolder = None, as_json: AsJson = False) -> None:
    """Print where a run's outputs lie, a path a line."""
    from comfypipe.execution.records import files_in, output_to_json

    console = Console(as_json=as_json)
    found = _details(project, run_id).run
    console.document({name: output_to_json(value) for name, value in found.outputs.items()})
    for name, value in found.outputs.items():
        files = files_in(value)
        for file in files:
            console.result(f"{file.path}\t{file.filename}")
        if not files:
            console.result(f"{name}: {value}")


group.command()(cancel)
group.command()(retry)
group.command()(prune)


def _details(project: Path | None, run_id: str) -> "RunDetails":
    import asyncio

    from comfypipe.execution.project import Project

    async def read() -> "RunDetails":
        async with Project.find(project) as opened:
            return await opened.details(run_id)

    return asyncio.run(read())


def _row(run: "Run") -> tuple[str, ...]:
    took = f"{run.duration_s:.1f} s" if run.duration_s is not None else ""
    notes = [note for note, holds in (("from the store", run.cached), ("simulated", run.simulated)) if holds]
    when = run.started_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return run.id, run.name, run.status, when, took, run.backend, ", ".join(notes)


def _page(details: "RunDetails") -> str:
    run = details.run
    head = columns(
        [
            ("run", run.id),
            ("name", f"{run.name} ({run.kind})"),
            ("status", run.status),
            ("backend", run.backend),
            ("started", run.started_at.astimezone().isoformat(" ", "seconds")),
            ("took", f"{run.duration_s:.2f} s" if run.duration_s is not None else "not ended"),
            ("plan", run.plan_digest[:16]),
        ]
    )
    inputs = columns([(name, str(value)) for name, value in run.inputs.items()]) if run.inputs else ""
    jobs = columns([_job_row(each) for each in details.jobs]) if details.jobs else ""
    error = f"{run.error['type']}: {run.error['message']}" if run.error else ""
    sections = [head, _titled("Inputs", inputs), _titled("Jobs", jobs), _titled("Error", error)]
    return "\n\n".join(filter(None, sections))


def _job_row(details: "JobDetails") -> tuple[str, ...]:
    job = details.job
    name = job.step if job.item is None else f"{job.step}[{job.item}]"
    source = "from the store" if job.cached_from else plural(len(details.attempts), "attempt")
    files = ", ".join(each.filename or "" for each in details.outputs if each.sha256)
    return name, job.status, source, files


def _titled(title: str, text: str) -> str:
    return f"{title}\n" + "\n".join(f"  {line}" for line in text.splitlines()) if text else ""
