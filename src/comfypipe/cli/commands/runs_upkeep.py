"""``comfypipe runs cancel``, ``retry`` and ``prune``: what changes runs that there are."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe.cli.console import Console, plural
from comfypipe.cli.options import AsJson, Backend, ProjectFolder, Quiet
from comfypipe.errors import UsageError

if TYPE_CHECKING:
    from comfypipe.execution.prune import Pruned
    from comfypipe.execution.records import Run

RunIds = Annotated[list[str], typer.Argument(metavar="ID…", help="Runs' ids, their beginnings, or `latest`.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="A run's id, its beginning, or `latest`.")]


def cancel(run_ids: RunIds, project: ProjectFolder = None, as_json: AsJson = False) -> None:
    """Cancel runs that go on, or were left by a process that died, on their servers too."""
    import asyncio

    console = Console(as_json=as_json)
    cancelled = asyncio.run(_cancel(project, run_ids))
    console.document(cancelled)
    for run_id in cancelled:
        console.result(f"{run_id} cancelled")


async def _cancel(folder: Path | None, references: list[str]) -> list[str]:
    from comfypipe.execution.cancel import cancel_run
    from comfypipe.execution.project import Project

    async with Project.find(folder) as project:
        runs = [(await project.details(reference)).run for reference in references]
        for run in runs:
            if run.status not in ("running", "interrupted"):
                raise UsageError(f"run {run.id} has {run.status}", hint="only a run that goes on can be cancelled")
            if run.status == "running" and run.backend.startswith(("embedded:", "simulate:")):
                hint = "press Ctrl-C where it runs, or end that process"
                raise UsageError(f"run {run.id} goes on inside another process", hint=hint)
        for run in runs:
            await cancel_run(project, run.id, "cancelled by `comfypipe runs cancel`")
        return [run.id for run in runs]


def retry(
    run_id: RunId,
    backend: Backend = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write outputs here.", show_default=False)] = None,
    cache: Annotated[bool, typer.Option(help="Take stored outputs of the same plan.")] = True,
    project: ProjectFolder = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """
    Run again with the inputs, seeds and backend of an earlier run.

    One that did not complete is continued: what it finished is taken over.
    """
    import asyncio

    from comfypipe.cli.commands.run import report

    console = Console(as_json=as_json, quiet=quiet)
    return report(console, asyncio.run(_retry(console, project, run_id, backend, out, cache=cache)))


async def _retry(
    console: Console, folder: Path | None, reference: str, backend: str | None, out: Path | None, *, cache: bool
) -> "Run":
    import asyncio

    from comfypipe.cli.progress import watching
    from comfypipe.execution.again import inputs_of
    from comfypipe.execution.project import Project

    async with Project.find(folder) as project:
        record = await project.ledger.run(reference)
        inputs = await asyncio.to_thread(inputs_of, project, record)
        with watching(console) as listener:
            return await project.run(
                record.name,
                inputs,
                backend=backend or record.backend,
                cache=cache,
                out=out,
                listener=listener,
                check=False,
            )


def prune(
    older_than: Annotated[str, typer.Option(metavar="TIME", help="Forget runs that began longer ago: 30d, 12h.")],
    name: Annotated[str | None, typer.Option(help="Only of this workflow or pipeline.", show_default=False)] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """Forget old runs, and remove the stored files that nothing refers to any more."""
    import asyncio

    from comfypipe.cli.durations import parse_duration

    console = Console(as_json=as_json)
    older_than_s = parse_duration(older_than)
    found = asyncio.run(_prune(project, older_than_s, name, status, really=False))
    if not dry_run:
        if not yes:
            _confirm(found)
        found = asyncio.run(_prune(project, older_than_s, name, status, really=True))
    console.document({"runs": found.runs, "files": found.files, "size_bytes": found.size_bytes, "dry_run": dry_run})
    console.result(f"{'would remove' if dry_run else 'removed'} {_told(found)}")


def _confirm(found: "Pruned") -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"this removes {_told(found)}", hint="--yes removes it without asking, --dry-run only tells")
    typer.confirm(f"remove {_told(found)}?", err=True, abort=True)


def _told(found: "Pruned") -> str:
    return f"{plural(found.runs, 'run')} and {plural(found.files, 'stored file')} of {found.size_bytes / 1e6:,.1f} MB"


async def _prune(
    folder: Path | None, older_than_s: float, name: str | None, status: str | None, *, really: bool
) -> "Pruned":
    from comfypipe.execution.project import Project
    from comfypipe.execution.prune import prune as prune_project

    async with Project.find(folder) as opened:
        return await prune_project(opened, older_than_s=older_than_s, name=name, status=status, really=really)
