"""``comfypipe show``: one manifest, in words."""

from typing import Annotated

import typer

from comfypipe.cli.console import Console
from comfypipe.cli.options import AsJson, ProjectFolder


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A workflow or pipeline.")],
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show a workflow's or pipeline's inputs, models and outputs."""
    from comfypipe.cli import describe
    from comfypipe.plan.library import load_library
    from comfypipe.project import ProjectLayout

    console = Console(as_json=as_json)
    manifest = load_library(ProjectLayout.find(project)).manifest(name)
    console.result(describe.describe(manifest))
    console.document(describe.to_json(manifest))
