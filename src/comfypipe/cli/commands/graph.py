"""``comfypipe graph``: a prompt, workflow or pipeline as a picture."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe.cli.console import Console
from comfypipe.cli.options import AsJson, ProjectFolder

if TYPE_CHECKING:
    from comfypipe.reports.drawing import Drawing


class Form(StrEnum):
    """How a graph is drawn."""

    TREE = "tree"
    SVG = "svg"
    MERMAID = "mermaid"


def graph(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A workflow or pipeline, or a file with a prompt in it.")],
    form: Annotated[Form, typer.Option("--as", help="How to draw it.")] = Form.TREE,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it here instead; .svg and .mmd say how.", show_default=False),
    ] = None,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """Draw a workflow or pipeline: nodes and links, with inputs, models and outputs marked."""
    console = Console(as_json=as_json)
    if out is not None:
        form = {".svg": Form.SVG, ".mmd": Form.MERMAID}.get(out.suffix.lower(), form)
    text = _text(_drawing(name, project), form)
    console.document({"name": name, "form": form.value, "text": text})
    if out is None:
        console.result(text)
    else:
        out.write_text(f"{text}\n", encoding="utf-8")
        console.result(str(out))


def _drawing(name: str, folder: Path | None) -> "Drawing":
    from comfypipe.reports.draw import draw_manifest, draw_prompt

    if Path(name).is_file():
        from comfypipe.importing.imports import load_source
        from comfypipe.importing.reading import read_workflow

        source, _ = load_source(read_workflow(Path(name)), None)
        return draw_prompt(source.prompt, Path(name).stem)
    from comfypipe.plan.library import load_library
    from comfypipe.project import ProjectLayout

    layout = ProjectLayout.find(folder)
    return draw_manifest(load_library(layout).manifest(name), layout)


def _text(drawing: "Drawing", form: Form) -> str:
    if form is Form.SVG:
        from comfypipe.reports.draw_svg import to_svg

        return to_svg(drawing).rstrip("\n")
    if form is Form.MERMAID:
        from comfypipe.reports.draw_mermaid import to_mermaid

        return to_mermaid(drawing).rstrip("\n")
    from comfypipe.reports.draw_tree import to_tree

    return to_tree(drawing).rstrip("\n")
