"""``comfypipe run``: a workflow or a pipeline, with live progress."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from comfypipe.cli.console import Console
from comfypipe.cli.given import given_inputs
from comfypipe.cli.options import AllowOrigin, AsJson, Backend, Inputs, InputsFile, Preset, ProjectFolder, Quiet

if TYPE_CHECKING:
    from comfypipe.execution.records import Run


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A workflow or pipeline.")],
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    preset: Preset = None,
    backend: Backend = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write outputs here, under readable names, with their provenance.",
            show_default=False,
        ),
    ] = None,
    cache: Annotated[bool, typer.Option(help="Take stored outputs of the same plan.")] = True,
    allow_origin: AllowOrigin = None,
    project: ProjectFolder = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """
    Run a workflow or pipeline.

    A run that was interrupted goes on where it was when the same command is given again.
    """
    import asyncio

    console = Console(as_json=as_json, quiet=quiet)
    options = {"preset": preset, "backend": backend, "cache": cache, "out": out}
    given = given_inputs(inputs, inputs_file)
    made = asyncio.run(_run(console, project, tuple(allow_origin or ()), name, given, options))
    return report(console, made)


def report(console: Console, made: "Run") -> int:
    """Print how a run ended and what it gave; returns the exit status."""
    from comfypipe.execution.records import files_in

    console.document(made.to_json())
    for output, value in made.outputs.items():
        files = files_in(value)
        for file in files:
            console.result(_shown(file.path))
        if not files:
            console.result(f"{output}: {value}")
    if made.failure is not None:
        Console().error(made.failure)  # as JSON the run says it itself: there is one document, whatever happens
        return made.failure.exit_status
    took = f" in {made.duration_s:.1f} s" if made.duration_s is not None else ""
    stored = ", all from the store" if made.cached else ""
    console.say(f"{made.name} {made.status}{took}{stored}")
    return 0


async def _run(
    console: Console,
    folder: Path | None,
    allow_origins: tuple[str, ...],
    name: str,
    inputs: dict[str, Any],
    options: dict[str, Any],
) -> "Run":
    import asyncio
    import signal

    from comfypipe.cli.progress import watching
    from comfypipe.execution.project import Project
    from comfypipe.project import ProjectLayout

    task = asyncio.current_task()
    if task is not None:
        # SIGTERM ends a run as Ctrl-C does: what was started is cancelled, what is done stays.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with Project(ProjectLayout.find(folder), allow_origins=allow_origins) as project:
        with watching(console) as listener:
            return await project.run(name, inputs, listener=listener, check=False, **options)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
