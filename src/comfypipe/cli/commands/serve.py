"""``comfypipe serve``: the runs API, for clients of ComfyICU and of our own."""

import os
import resource
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from comfypipe.cli.console import Console
from comfypipe.cli.options import AsJson, Backend, ProjectFolder, Quiet
from comfypipe.errors import ProjectNotFound, UsageError

if TYPE_CHECKING:
    from comfypipe.project import ProjectLayout
    from comfypipe.service.settings import ServiceSettings

Data: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Where database, uploads and outputs are kept; default: in the project's .comfypipe.",
        show_default=False,
    ),
]
Database: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--db", metavar="URL", help="Another database than a SQLite file in --data: postgresql://…", show_default=False
    ),
]

_OPEN_FILES = 1 << 16
_KEPT_AT_LEAST_S = 24 * 3600.0


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    db: Database = None,
    backend: Backend = None,
    project: ProjectFolder = None,
    data: Data = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no API key; on loopback alone.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Stand in for nodes that need a model: --backend simulate:")
    ] = False,
    only_known_workflows: Annotated[
        bool,
        typer.Option("--only-known-workflows", help="Take prompts only under workflow ids that were made here before."),
    ] = False,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Let downloads and webhooks reach this origin, though its address is not public; repeat it.",
            show_default=False,
        ),
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="What clients call the service; default: what each of them calls it.",
            show_default=False,
        ),
    ] = None,
    comfyui: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="ComfyUI's folder, to put models into.",
            show_default=False,
            exists=True,
            file_okay=False,
        ),
    ] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Take models that run code when they are loaded (.ckpt, .pt, …).")
    ] = False,
    in_flight: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Runs that the backend has at once; default: 2 a server.", show_default=False
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, metavar="N", help="Requests a second that a key may send, in the long run; 0: any.")
    ] = 200.0,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Forget runs that ended, and uploads that no run named, so long ago: 30d; default: never.",
            show_default=False,
        ),
    ] = None,
    drain: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long runs may go on when the service ends.")
    ] = 5.0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """
    Serve the runs API until Ctrl-C: clients of ComfyICU work with it when they change the base URL.

    Prompts run on the embedded engine, or on the servers of --backend; workflows of the project are published.
    With --json, one line of JSON on stdout says url and pid when it is ready.
    """
    from comfypipe.service.settings import ServiceSettings

    if simulate and backend:
        raise UsageError("--simulate and --backend exclude each other", hint="--backend simulate: is the same")
    layout = served_project(project)
    settings = ServiceSettings(
        data=data or default_data(layout),
        database=db,
        backend="simulate:" if simulate else backend or (layout.settings.backend if layout else "embedded:"),
        project=layout,
        authenticate=not no_auth,
        any_workflow=not only_known_workflows,
        allow_origins=frozenset(allow_origin or ()),
        public_url=public_url.rstrip("/") if public_url else None,
        allow_pickle=allow_pickle,
        comfyui=comfyui,
        in_flight=in_flight,
        keep_s=_keep_s(keep) if keep is not None else None,
        drain_s=drain,
        requests_per_s=rate,
    )
    _serve(settings, host, port, Console(as_json=as_json, quiet=quiet))


def _keep_s(text: str) -> float:
    """Return how long ended runs are kept: a day at least, as a key of idempotency still gives a run's id so long."""
    from comfypipe.cli.durations import parse_duration

    seconds = parse_duration(text)
    if seconds < _KEPT_AT_LEAST_S:
        raise UsageError(f"--keep {text} is less than a day", hint="requests may be repeated for a day: write 1d, 30d")
    return seconds


def _serve(settings: "ServiceSettings", host: str, port: int, console: Console) -> None:
    from comfypipe.service.serve import serve as serve_service

    def ready(url: str) -> None:
        console.line({"url": url, "base_url": f"{url}/api/v1", "pid": os.getpid()})
        console.say(f"listening on {url}/api/v1" + ("" if settings.authenticate else ", without keys"))

    _allow_connections()
    # SIGTERM ends it as Ctrl-C does; uvicorn sends on what it caught, once it has shut down.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve_service(settings, host=host, port=port, on_ready=ready)
    except KeyboardInterrupt:
        console.say("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)


def _allow_connections() -> None:
    """Take as many open files as are to be had: many shells give 1,024, and a connection to each receiver is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def served_project(folder: Path | None) -> "ProjectLayout | None":
    """Return the project that is served: the one that is named, or that we are in; None where there is none."""
    from comfypipe.project import ProjectLayout

    try:
        return ProjectLayout.find(folder)
    except ProjectNotFound:
        if folder is not None:
            raise
        return None


def default_data(layout: "ProjectLayout | None") -> Path:
    """Return where a service keeps its files when nothing is said."""
    if layout is None:
        raise UsageError(
            "there is no project here, and no folder was named",
            hint="--data DIR says where the service keeps its files",
        )
    return layout.state / "service"
