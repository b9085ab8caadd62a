"""``comfypipe import``: a UI graph, a picture or an export becomes a workflow and a manifest."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe.cli.console import Console, columns, to_text
from comfypipe.cli.offered import Catalog, Server, offered
from comfypipe.cli.options import AsJson, ProjectFolder
from comfypipe.errors import ProjectNotFound, UsageError

if TYPE_CHECKING:
    from comfypipe.importing.manifest import Candidate
    from comfypipe.project import ProjectLayout
    from comfypipe.prompt.object_info import ObjectInfo


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON of the editor, or a file that it made.")],
    name: Annotated[str | None, typer.Option(help="What to call it; default: the file's name.")] = None,
    template: Annotated[
        bool, typer.Option("--template/--bind", help="Write a template, or bind to an untouched export.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Make every widget an input.")] = False,
    pick: Annotated[bool, typer.Option("--pick", help="Choose the inputs, one by one.")] = False,
    update: Annotated[
        str | None, typer.Option(metavar="NAME", help="Bring a newer save into this workflow.", show_default=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    print_: Annotated[bool, typer.Option("--print", help="Only print the prompt.")] = False,
    catalog: Catalog = None,
    backend: Server = None,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make a workflow and a manifest of a UI graph, an export, or a picture that holds one."""
    console = Console(as_json=as_json)
    layout = _layout(project, needed=not print_)
    info = offered(layout, catalog, backend)
    if print_:
        _print(console, file, info)
    elif layout is None:
        raise ProjectNotFound("an import needs a project", hint="run `comfypipe init`, or give --print")
    elif update is not None:
        _update(console, file, layout, update, info, force=force)
    else:
        picker = _pick if pick else None
        _import(
            console, file, layout, info, name=name, template=template, everything=everything, pick=picker, force=force
        )


def _layout(folder: Path | None, *, needed: bool) -> "ProjectLayout | None":
    from comfypipe.project import ProjectLayout

    try:
        return ProjectLayout.find(folder)
    except ProjectNotFound:
        if needed or folder is not None:
            raise
        return None


def _print(console: Console, file: Path, info: "ObjectInfo | None") -> None:
    from comfypipe.importing.imports import load_source
    from comfypipe.importing.reading import read_workflow

    source, converted = load_source(read_workflow(file), info)
    print(to_text(source.prompt))  # noqa: T201
    _warn(console, converted.unknown, converted.warnings)


def _import(
    console: Console,
    file: Path,
    layout: "ProjectLayout",
    info: "ObjectInfo | None",
    *,
    template: bool,
    **options: object,
) -> None:
    from comfypipe.importing.imports import import_workflow

    form = "template" if template else "bind"
    made = import_workflow(file, layout, object_info=info, form=form, **options)  # type: ignore[arg-type]
    paths = [layout.show(made.workflow), layout.show(made.manifest)]
    console.result("\n".join(paths))
    console.document({"name": made.draft.name, "files": paths, "unknown": made.unknown, "warnings": made.warnings})
    _warn(console, made.unknown, made.warnings)
    console.say(f"next: comfypipe show {made.draft.name}")


def _update(
    console: Console, file: Path, layout: "ProjectLayout", name: str, info: "ObjectInfo | None", *, force: bool
) -> None:
    from comfypipe.importing.update import update_workflow

    made = update_workflow(file, layout, name, object_info=info, force=force)
    console.result("\n".join(made.changes.lines()) or "nothing has changed")
    console.document(made.changes.to_json())
    _warn(console, made.unknown, made.warnings)


def _warn(console: Console, unknown: Sequence[str], warnings: Sequence[str]) -> None:
    for each in warnings:
        console.say(f"warning: {each}")
    if unknown:
        console.say(
            f"warning: the catalog does not have {', '.join(unknown)}: their widgets were left as they stood\n"
            "  hint: give a server's with --backend URL or --catalog FILE"
        )


def _pick(found: "Sequence[Candidate]") -> Collection[str]:
    if not sys.stdin.isatty():
        raise UsageError("--pick asks questions, and nobody is there to answer", hint="use --all, or leave it out")
    rows = [
        ("*" if each.proposed else " ", str(number), each.name, each.where, str(each.value))
        for number, each in enumerate(found, 1)
    ]
    print(columns(rows), file=sys.stderr)  # noqa: T201
    answer = typer.prompt("Inputs to keep: numbers, all, or those with a star", default="*", err=True).strip()
    if answer in ("*", "all"):
        return [each.name for each in found if each.proposed or answer == "all"]
    wanted = {int(each) for each in answer.replace(",", " ").split() if each.isdecimal()}
    return [each.name for number, each in enumerate(found, 1) if number in wanted]
