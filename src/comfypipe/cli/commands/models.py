"""``comfypipe models``: whether the declared models are there and right; fetching those that are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comfypipe._types import JSONObject
from comfypipe.cli.console import Console, columns, plural
from comfypipe.cli.download_view import watching_downloads
from comfypipe.cli.options import AllowOrigin, AsJson, ProjectFolder, Quiet
from comfypipe.errors import UsageError
from comfypipe.exit_status import ExitStatus

if TYPE_CHECKING:
    from comfypipe.downloads.lock_file import LockedModel
    from comfypipe.downloads.models import DeclaredModel, ModelReport
    from comfypipe.downloads.settings import DownloadSettings
    from comfypipe.manifest.load import Manifest
    from comfypipe.plan.library import Library
    from comfypipe.project import ProjectLayout

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Workflows or pipelines; default: all.", show_default=False),
]
ComfyFolder = Annotated[
    Path | None,
    typer.Option(
        "--comfyui",
        envvar="COMFYPIPE_COMFYUI",
        metavar="DIR",
        help="ComfyUI's folder; default: what the settings say, else the project's root.",
        show_default=False,
    ),
]

group = typer.Typer(
    help="Check, fetch and lock the models that manifests declare.", no_args_is_help=True, rich_markup_mode=None
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which models a command is about, and where they belong."""

    layout: "ProjectLayout"
    settings: "DownloadSettings"
    base: Path
    models: "tuple[DeclaredModel, ...]"


@group.command()
def check(
    names: Names = None, comfyui: ComfyFolder = None, project: ProjectFolder = None, as_json: AsJson = False
) -> int:
    """
    Say which of the declared models are there, and whether they are right.

    Their SHA-256 is compared where the manifest or the lock file names it.
    """
    from comfypipe.downloads.models import look_at

    console = Console(as_json=as_json)
    asked = _asked(names, comfyui, project)
    found = [look_at(model, asked.base, allow_pickle=asked.settings.allow_pickle) for model in asked.models]
    return _report(console, asked, found)


@group.command()
def pull(
    names: Names = None,
    comfyui: ComfyFolder = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put the declared file in place of another one.")] = False,
    allow_origin: AllowOrigin = None,
    project: ProjectFolder = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> int:
    """
    Fetch the declared models that are missing.

    Interrupted, the same command goes on where it was. Keys are taken from HF_TOKEN and CIVITAI_API_TOKEN.
    """
    import asyncio

    console = Console(as_json=as_json, quiet=quiet)
    asked = _asked(names, comfyui, project)
    found = asyncio.run(_pull(console, asked, tuple(allow_origin or ()), replace=replace))
    return _report(console, asked, found)


@group.command()
def lock(
    names: Names = None,
    comfyui: ComfyFolder = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Take the files as they are, whatever was locked before.")
    ] = False,
    project: ProjectFolder = None,
    as_json: AsJson = False,
) -> int:
    """
    Write the SHA-256 and size of the declared models into comfypipe.lock.

    From then on `check` and `pull` take no other files for them.
    """
    from comfypipe.downloads.lock_file import read_lock, write_lock
    from comfypipe.downloads.models import locked, look_at

    console = Console(as_json=as_json)
    asked = _asked(names, comfyui, project, anew=anew)
    found = [look_at(model, asked.base, allow_pickle=asked.settings.allow_pickle) for model in asked.models]
    entries = dict(locked(found)) | _declared_alone(found)
    lacking = [each for each in found if each.model.path not in entries]
    if not lacking:
        path = write_lock(asked.layout.root, {**read_lock(asked.layout.root), **entries})
        console.say(f"{asked.layout.show(path)}: {plural(len(entries), 'model')} locked")
    else:
        console.say("nothing is locked: first bring the models that are not right, with `comfypipe models pull`")
    return _report(console, asked, found, failed=bool(lacking))


def _asked(names: Sequence[str] | None, comfyui: Path | None, folder: Path | None, *, anew: bool = False) -> _Asked:
    from comfypipe.downloads.lock_file import read_lock
    from comfypipe.downloads.models import declared_models
    from comfypipe.downloads.settings import DownloadSettings
    from comfypipe.plan.library import load_library
    from comfypipe.project import ProjectLayout

    layout = ProjectLayout.find(folder)
    settings = DownloadSettings.of(layout)
    base = comfyui.absolute() if comfyui is not None else settings.base(layout)
    if not base.is_dir():
        raise UsageError(f"{base} is no folder", hint="name ComfyUI's folder: the one that holds models and input")
    manifests = _manifests(load_library(layout), names)
    known = {} if anew else read_lock(layout.root)
    return _Asked(layout, settings, base, declared_models(manifests, known))


def _manifests(library: "Library", names: Sequence[str] | None) -> "list[Manifest]":
    """Return the workflows that are named, with those that named pipelines run; all of them when none is named."""
    from comfypipe.manifest.schema import PipelineSpec

    if not names:
        for broken in library.broken:
            library.manifest(broken)  # says what is wrong with it: the models it declares would be left out
        return list(library.workflows.values())
    wanted: dict[str, Manifest] = {}
    for name in names:
        manifest = library.manifest(name)
        steps = manifest.spec.steps if isinstance(manifest.spec, PipelineSpec) else ()
        for each in (library.manifest(step.workflow) for step in steps) if steps else (manifest,):
            wanted[each.name] = each
    return list(wanted.values())


async def _pull(
    console: Console, asked: _Asked, allow_origins: tuple[str, ...], *, replace: bool
) -> "list[ModelReport]":
    import asyncio
    import signal

    from comfypipe.downloads.models import pull
    from comfypipe.downloads.settings import open_cache

    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with open_cache(asked.layout, asked.settings, allow_origins=allow_origins) as cache:
        with watching_downloads(console) as tell:
            options = {"allow_pickle": asked.settings.allow_pickle, "replace": replace}
            return [each async for each in pull(asked.models, cache, asked.base, on_progress=tell, **options)]


def _declared_alone(found: "Sequence[ModelReport]") -> "dict[str, LockedModel]":
    """Return entries for models that are elsewhere, but that their manifests describe fully."""
    from comfypipe.downloads.lock_file import LockedModel

    return {
        each.model.path: LockedModel(each.model.sha256, each.model.size_bytes, each.model.url)
        for each in found
        if each.state == "missing" and each.model.sha256 is not None and each.model.size_bytes is not None
    }


def _report(console: Console, asked: _Asked, found: "Sequence[ModelReport]", *, failed: bool | None = None) -> int:
    console.document([_to_json(each) for each in found])
    console.result(columns([_row(each) for each in found]) if found else "no models are declared")
    lacking = [each for each in found if not each.state.there]
    if lacking and failed is not False:
        console.say(f"{len(lacking)} of {plural(len(found), 'model')} not there, or not right, in {asked.base}")
    bad = bool(lacking) if failed is None else failed
    return ExitStatus.RUN_FAILED if bad else ExitStatus.OK


def _row(report: "ModelReport") -> tuple[str, str, str, str]:
    size = f"{report.size_bytes / 1e6:.1f} MB" if report.size_bytes is not None else ""
    note = report.problem or ""
    if report.state == "unlocked":
        note = f"SHA-256 {str(report.sha256)[:16]}…: `comfypipe models lock` keeps it"
    took = f"fetched in {report.seconds:.1f} s" if report.seconds else ""
    return report.state, report.model.path, size, "; ".join(filter(None, (note, took)))


def _to_json(report: "ModelReport") -> JSONObject:
    model = report.model
    return {
        "path": model.path,
        "state": report.state.value,
        "sha256": report.sha256,
        "size_bytes": report.size_bytes,
        "problem": report.problem,
        "file": str(report.path),
        "url": model.url,
        "expected_sha256": model.sha256,
        "expected_size_bytes": model.size_bytes,
        "license": model.license,
        "workflows": list(model.workflows),
        "seconds": round(report.seconds, 3),
    }
