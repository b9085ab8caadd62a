"""``comfypipe diff``: what differs between two prompts, in terms of nodes and values."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe.cli.console import Console
from comfypipe.cli.options import AsJson, ProjectFolder
from comfypipe.errors import UsageError

if TYPE_CHECKING:
    from comfypipe._types import JSONObject

Side = Annotated[str, typer.Argument(help="A file with a prompt in it, or a run's id.")]


def diff(before: Side, after: Side, project: ProjectFolder = None, as_json: AsJson = False) -> None:
    """Say what differs between two prompts or runs: nodes and values."""
    from comfypipe.importing.changes import diff_to_json, prompt_lines
    from comfypipe.importing.prompt_diff import diff_prompts

    console = Console(as_json=as_json)
    found = diff_prompts(_prompt(before, project), _prompt(after, project))
    console.result("\n".join(prompt_lines(found)) or "no difference")
    console.document(diff_to_json(found))


def _prompt(side: str, project: Path | None) -> "JSONObject":
    return _of_file(Path(side)) if Path(side).is_file() else _of_run(side, project)


def _of_file(path: Path) -> "JSONObject":
    from comfypipe.importing.imports import load_source
    from comfypipe.importing.reading import read_workflow

    source, _ = load_source(read_workflow(path), None)
    return source.prompt


def _of_run(reference: str, project: Path | None) -> "JSONObject":
    import asyncio

    from comfypipe.execution.project import Project

    async def read() -> "JSONObject":
        async with Project.find(project) as opened:
            details = await opened.details(reference)
        if len(details.jobs) != 1:
            raise UsageError(
                f"run {details.run.id} has {len(details.jobs)} prompts: only runs with one can be compared",
                hint="compare the prompts that its files' provenance holds",
            )
        return details.jobs[0].job.prompt

    return asyncio.run(read())
