"""What nodes there are, for commands that check or convert: from a file, a server, or what is kept here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from comfypipe.errors import UsageError

if TYPE_CHECKING:
    from comfypipe.project import ProjectLayout
    from comfypipe.prompt.object_info import ObjectInfo

Catalog: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Know nodes from this object_info.", show_default=False),
]
Server: TypeAlias = Annotated[
    str | None,
    typer.Option("--backend", "-b", metavar="URL", help="Know nodes from this server.", show_default=False),
]


def offered(layout: "ProjectLayout | None", catalog: Path | None, backend: str | None) -> "ObjectInfo | None":
    """
    Return the object_info of *catalog* or *backend*; without either, what is known without asking.

    That is the engine's own, the kept catalogs of the project, and node classes of the user's own.

    Raises:
        UsageError: Both are given, or a server without a project.
    """
    from comfypipe.prompt.object_info import read_object_info

    if catalog and backend:
        raise UsageError("--catalog and --backend exclude each other", hint="name one of them")
    if catalog:
        return read_object_info(catalog)
    if backend:
        if layout is None:
            raise UsageError("--backend needs a project", hint="run `comfypipe init`, or give --catalog FILE")
        return ask(layout, backend)
    return _kept(layout)


def ask(layout: "ProjectLayout", url: str) -> "ObjectInfo | None":
    """Return what a server offers."""
    import asyncio

    from comfypipe.backends.registry import open_backend

    async def read() -> "ObjectInfo | None":
        backend = open_backend(url, layout)
        try:
            return await backend.object_info(fresh=True)
        finally:
            await backend.close()

    return asyncio.run(read())


def _kept(layout: "ProjectLayout | None") -> "ObjectInfo":
    from comfypipe.cli.known import Known, own_nodes
    from comfypipe.engine.offline import object_info
    from comfypipe.prompt.object_info import read_object_info

    own = object_info()
    kept = sorted(layout.catalogs.glob("*.json")) if layout and layout.catalogs.is_dir() else []
    raw = own.to_json()
    for each in kept:
        raw = raw | read_object_info(each).to_json()
    return Known(raw, lambda: own_nodes(layout), missing_hint=own.missing_hint)
