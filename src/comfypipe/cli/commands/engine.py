"""``comfypipe engine``: the embedded engine, behind ComfyUI's own protocol."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from comfypipe.cli.console import Console
from comfypipe.cli.options import AsJson, Quiet
from comfypipe.errors import ProjectNotFound, UsageError

if TYPE_CHECKING:
    from comfypipe.engine.executor import Engine
    from comfypipe.engine.server.faults.faults import Faults
    from comfypipe.project import ProjectLayout


def engine(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8188,
    host: Annotated[
        str, typer.Option(help="Where to listen. Whoever reaches it can read and write the engine's files.")
    ] = "127.0.0.1",
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="For its input, output and temp; default: the project's.", show_default=False),
    ] = None,
    jobs_api: Annotated[bool, typer.Option("--jobs-api", help="Serve /api/jobs too, as newer servers do.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Stand in for nodes that need a model, as simulate: does.")
    ] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="URL",
            help="Be this engine: a backend of the project's settings, or a URL, with its nodes, catalog and costs.",
            show_default=False,
        ),
    ] = None,
    nodes: Annotated[
        list[str] | None,
        typer.Option(
            "--nodes",
            metavar="MODULE",
            help="Have a module's or file's node classes; repeat it.",
            show_default=False,
        ),
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --simulate: stand in for all of this object_info.", show_default=False),
    ] = None,
    keep_gb: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="GB", help="Keep so much in output and temp: the oldest files go first.", show_default="all"
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME[=SETTING,…]",
            help="Play a fault of real servers; repeat it. --faults lists them.",
            show_default=False,
        ),
    ] = None,
    delay: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Let every run take this much longer.")] = 0.0,
    test: Annotated[bool, typer.Option("--test", help="Answer /comfypipe/executions: what ran how often.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="List the faults and leave.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """
    Serve the embedded engine as ComfyUI is served, until Ctrl-C.

    For tests of clients and pipelines: programs that talk to ComfyUI talk to it. With --json, one line of JSON on
    stdout says url and pid when it is ready.
    """
    console = Console(as_json=as_json, quiet=quiet)
    if faults:
        _list_faults(console)
        return
    played = _faults(fault or [], delay, test)
    if backend is not None and simulate:
        raise UsageError("--simulate and --backend exclude each other", hint='write --backend "simulate:?speed=20"')
    more = {"nodes": nodes or [], "catalog": catalog, "keep_gb": keep_gb}
    served = _engine(folder, backend or ("simulate:" if simulate else "embedded:"), more)
    _serve(console, (host, port), served, jobs_api=jobs_api, faults=played)


def _list_faults(console: Console) -> None:
    from comfypipe.engine.server.faults.kinds import KINDS, help_lines

    console.result("\n".join(help_lines()))
    console.document(
        [
            {"name": each.name, "summary": each.summary, "counts": each.occasion, "settings": dict(each.settings)}
            for each in KINDS.values()
        ]
    )


def _faults(specs: list[str], delay_s: float, test: bool) -> "Faults | None":
    from comfypipe.engine.server.faults.faults import Faults

    slower = [f"slow-runs=always,ms:{round(delay_s * 1000)}"] if delay_s else []
    wanted = [*specs, *slower]
    return Faults(wanted) if wanted or test else None


def _serve(
    console: Console,
    address: tuple[str, int],
    engine: "Engine",
    *,
    jobs_api: bool,
    faults: "Faults | None",
) -> None:
    from comfypipe.engine.server.serve import serve

    def ready(url: str) -> None:
        console.line({"url": url, "pid": os.getpid()})
        console.say(f"listening on {url}")

    # SIGTERM ends it as Ctrl-C does; uvicorn sends on what it caught, once it has shut down.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    host, port = address
    try:
        serve(engine, host=host, port=port, jobs_api=jobs_api, faults=faults, on_ready=ready)
    except KeyboardInterrupt:
        console.say("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)


def _engine(folder: Path | None, url_or_name: str, more: Mapping[str, Any]) -> "Engine":
    """Return the engine of a backend, with its files in *folder*."""
    from comfypipe.backends import embedded, simulate
    from comfypipe.backends.registry import resolve

    layout = _layout(folder)
    url, settings = resolve(url_or_name, layout.settings.backends)
    scheme = url.partition(":")[0]
    if scheme not in ("embedded", "simulate"):
        raise UsageError(f"{url_or_name} is no engine that can be served", hint="take an embedded: or simulate: one")
    if more["catalog"] is not None and scheme != "simulate":
        raise UsageError("only what is simulated needs a catalog", hint="add --simulate")
    given = {"output_bytes": None, **settings}
    if more["keep_gb"] is not None:
        given["output_bytes"] = round(more["keep_gb"] * 1e9)
    if more["nodes"]:
        own = settings.get("nodes", ())
        given["nodes"] = [*([own] if isinstance(own, str) else own), *more["nodes"]]
    if more["catalog"] is not None:
        given["catalog"] = str(more["catalog"].absolute())
    create_in = embedded.create_in if scheme == "embedded" else simulate.create_in
    return create_in(folder or layout.engine, url, given, layout).engine


def _layout(folder: Path | None) -> "ProjectLayout":
    from comfypipe.project import ProjectLayout, Settings

    try:
        return ProjectLayout.find()
    except ProjectNotFound as error:
        if folder is None:
            raise UsageError(
                "there is no project here, and no folder was named", hint="--folder DIR says where the files go"
            ) from error
        # Named, so that nothing is made here to look for catalogs.
        return ProjectLayout(Path.cwd(), Settings(catalogs=".comfypipe/catalogs"))
