"""``comfypipe doctor``: what is set up, what is reachable, what is missing."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from comfypipe.cli.console import Console, columns, plural
from comfypipe.cli.options import AsJson, Backend, ProjectFolder
from comfypipe.errors import ComfypipeError
from comfypipe.exit_status import ExitStatus

if TYPE_CHECKING:
    from comfypipe.backends.base import Backend as AnyBackend
    from comfypipe.project import ProjectLayout

LOW_DISK_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "warning", "failed"]
    detail: str
    hint: str | None = None


def doctor(project: ProjectFolder = None, backend: Backend = None, as_json: AsJson = False) -> int:
    """Say what is set up, what is reachable and what is missing."""
    console = Console(as_json=as_json)
    found = list(_examine(project, backend))
    console.result(columns([(each.state, each.what, each.detail) for each in found]))
    for each in found:
        if each.hint:
            console.result(f"  hint: {each.what}: {each.hint}")
    console.document([asdict(each) for each in found])
    failed = any(each.state == "failed" for each in found)
    return ExitStatus.UNAVAILABLE if failed else ExitStatus.OK


def _examine(project: Path | None, backend: str | None) -> Iterator[Finding]:
    import asyncio
    from importlib.metadata import version

    from comfypipe.project import ProjectLayout

    yield Finding("comfypipe", "ok", f"{version('comfypipe')} on Python {sys.version.split()[0]}")
    yield Finding("prefect", "ok", version("prefect"))
    try:
        layout = ProjectLayout.find(project)
    except ComfypipeError as error:
        yield _failed("project", error)
        return
    yield Finding("project", "ok", str(layout.root))
    for what, look in _CHECKS.items():
        yield _guarded(what, lambda look=look: look(layout))  # type: ignore[misc]
    name = backend or layout.settings.backend
    yield _guarded(f"backend {name}", lambda: asyncio.run(_backend(layout, name)))


def _guarded(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except ComfypipeError as error:
        return _failed(what, error)


def _failed(what: str, error: ComfypipeError) -> Finding:
    return Finding(what, "failed", error.message, error.hint)


def _manifests(layout: "ProjectLayout") -> Finding:
    from comfypipe.plan.library import load_library

    library = load_library(layout)
    count = plural(len(library.workflows) + len(library.pipelines), "manifest")
    errors = sum(each.severity == "error" for each in library.diagnostics)
    if errors:
        return Finding("manifests", "failed", f"{plural(errors, 'error')} in {count}", "run `comfypipe validate`")
    return Finding("manifests", "ok", count)


def _ledger(layout: "ProjectLayout") -> Finding:
    import asyncio
    import sqlite3

    from comfypipe.store.ledger import Ledger

    async def count() -> int:
        ledger = Ledger(layout.ledger)
        try:
            return len(await ledger.runs(limit=1_000_000))
        finally:
            await ledger.close()

    runs = asyncio.run(count()) if layout.ledger.exists() else 0
    return Finding("ledger", "ok", f"{plural(runs, 'run')}, SQLite {sqlite3.sqlite_version}")


def _disk(layout: "ProjectLayout") -> Finding:
    import shutil

    free = shutil.disk_usage(layout.root).free
    if free < LOW_DISK_BYTES:
        return Finding("disk", "warning", f"{free / 1e6:.0f} MB free", "outputs and artifacts need room")
    return Finding("disk", "ok", f"{free / 1e9:.0f} GB free")


async def _backend(layout: "ProjectLayout", name: str) -> Finding:
    from comfypipe.backends.registry import open_backend

    opened = open_backend(name, layout)
    try:
        offered = await opened.object_info(fresh=True)
        out = _out_of_service(opened)
    finally:
        await opened.close()
    detail = f"{len(offered)} node classes" if offered is not None else "reachable"
    if out:
        return Finding(f"backend {name}", "warning", "; ".join((detail, *out)), "the other servers do its work")
    return Finding(f"backend {name}", "ok", detail)


def _out_of_service(backend: "AnyBackend") -> list[str]:
    """Return why servers of a fleet take no work."""
    from comfypipe.backends.comfyui.fleet import FleetBackend

    if not isinstance(backend, FleetBackend):
        return []
    return [f"{each.name} is out: {each.reason}" for each in backend.status() if each.reason is not None]


_CHECKS = {"manifests": _manifests, "ledger": _ledger, "disk": _disk}
