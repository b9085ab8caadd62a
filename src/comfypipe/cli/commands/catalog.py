"""``comfypipe catalog``: what servers offer, kept for checking without them."""

import json
import re
from typing import Annotated

import typer

from comfypipe.cli.console import Console, columns
from comfypipe.cli.options import AsJson, ProjectFolder
from comfypipe.errors import UsageError

group = typer.Typer(help="Keep servers' object_info for offline use.", no_args_is_help=True, rich_markup_mode=None)


@group.command()
def pull(
    backend: Annotated[str, typer.Option("--backend", "-b", metavar="URL", help="The server to ask.")],
    name: Annotated[
        str | None, typer.Option(help="What to call it; default: the server's address.", show_default=False)
    ] = None,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a server's object_info and keep it in the project."""
    from comfypipe.cli.offered import ask
    from comfypipe.importing.write import write_files
    from comfypipe.project import ProjectLayout

    console = Console(as_json=as_json)
    layout = ProjectLayout.find(project)
    found = ask(layout, backend)
    if found is None:
        raise UsageError(f"{backend} does not tell what it offers")
    stem = re.sub(r"[^A-Za-z0-9.-]+", "-", name or re.sub(r"^[a-z+]+://([^@/]*@)?", "", backend)).strip("-.")
    path = layout.catalogs / f"{stem or 'server'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_files({path: json.dumps(found.to_json())})
    console.result(layout.show(path))
    console.document({"path": str(path), "classes": len(found), "digest": found.digest})
    console.say(f"{len(found)} node classes kept")


@group.command("list")
def list_(project: ProjectFolder = None, as_json: AsJson = False) -> None:
    """List the catalogs that are kept."""
    from comfypipe.project import ProjectLayout
    from comfypipe.prompt.object_info import read_object_info

    console = Console(as_json=as_json)
    layout = ProjectLayout.find(project)
    found = {path: len(read_object_info(path)) for path in sorted(layout.catalogs.glob("*.json"))}
    rows = [(layout.show(path), f"{count} node classes") for path, count in found.items()]
    console.result(columns(rows) if rows else "no catalogs; `comfypipe catalog pull --backend URL` keeps one")
    console.document([{"path": layout.show(path), "classes": count} for path, count in found.items()])
