"""The models that manifests declare: whether they are there, and right; and bringing those that are not."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from comfypipe.diagnostics import Source
from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.destinations import destination
from comfypipe.downloads.lock_file import LockedModel
from comfypipe.downloads.model_files import check_file
from comfypipe.downloads.place import Placer, Wanted
from comfypipe.downloads.transfer import OnProgress
from comfypipe.errors import ComfypipeError, DownloadRefused, ManifestError
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import ModelSpec, WorkflowSpec
from comfypipe.store.files import disk_faults, hash_file


class ModelState(StrEnum):
    """How a declared model stands."""

    OK = "ok"
    UNLOCKED = "unlocked"
    MISSING = "missing"
    WRONG = "wrong"

    @property
    def there(self) -> bool:
        """Whether it can be used."""
        return self in (ModelState.OK, ModelState.UNLOCKED)


@dataclass(frozen=True, slots=True)
class DeclaredModel:
    """
    A model that manifests declare, with what is known of it: by them, or by the lock file.

    Attributes:
        path: Relative to ComfyUI's folder, such as ``models/loras/ink.safetensors``.
        workflows: The workflows that declare it.
        source: Where the first of them does.
    """

    path: str
    url: str | None
    sha256: str | None
    size_bytes: int | None
    license: str | None
    workflows: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class ModelReport:
    """
    What was found of a model.

    Attributes:
        sha256: Of the file that is there.
        problem: What is wrong, in words.
        seconds: What was spent on fetching it.
    """

    model: DeclaredModel
    state: ModelState
    path: Path
    sha256: str | None = None
    size_bytes: int | None = None
    problem: str | None = None
    seconds: float = 0.0


def declared_models(manifests: Iterable[Manifest], locked: Mapping[str, LockedModel]) -> tuple[DeclaredModel, ...]:
    """
    Return the models that *manifests* declare, each once, by path.

    Raises:
        ManifestError: Two of them, or a manifest and the lock file, say different things of one model.
    """
    found: dict[str, DeclaredModel] = {}
    for manifest in manifests:
        spec = manifest.spec
        for index, model in enumerate(spec.models if isinstance(spec, WorkflowSpec) else ()):
            new = _declared(model, locked.get(model.path), manifest, manifest.source("models", index))
            earlier = found.get(model.path)
            found[model.path] = new if earlier is None else _both(earlier, new)
    return tuple(found[path] for path in sorted(found))


def look_at(model: DeclaredModel, base: Path, *, allow_pickle: bool) -> ModelReport:
    """
    Return how a model stands below ComfyUI's folder. Blocks: the file is read whole, to hash it.

    Raises:
        StoreError: It cannot be read.
    """
    place = destination(model.path)
    path = place.under(base)
    if not path.is_file():
        return ModelReport(model, ModelState.MISSING, path, problem="it is not there")
    with disk_faults(path):
        size_bytes = path.stat().st_size
        if model.size_bytes not in (None, size_bytes):
            problem = f"it has {size_bytes} bytes, not {model.size_bytes}"
            return ModelReport(model, ModelState.WRONG, path, None, size_bytes, problem)
        digest = hash_file(path)[0]
        if model.sha256 not in (None, digest):
            problem = f"its SHA-256 is {digest[:12]}…, not {str(model.sha256)[:12]}…"
            return ModelReport(model, ModelState.WRONG, path, digest, size_bytes, problem)
        try:
            check_file(path, place, allow_pickle=allow_pickle)
        except DownloadRefused as error:
            return ModelReport(model, ModelState.WRONG, path, digest, size_bytes, error.message)
    state = ModelState.OK if model.sha256 is not None else ModelState.UNLOCKED
    return ModelReport(model, state, path, digest, size_bytes)


async def pull(
    models: Sequence[DeclaredModel],
    cache: DownloadCache,
    base: Path,
    *,
    allow_pickle: bool = False,
    replace: bool = False,
    on_progress: OnProgress | None = None,
) -> AsyncIterator[ModelReport]:
    """
    Bring the models that are missing, one after the other, and yield how each stands then; one that fails stops none.

    Args:
        replace: Whether a file that is not the declared one gives way.
    """
    placer = Placer(cache, base, allow_pickle=allow_pickle, replace_models=replace)
    for model in models:
        report = await asyncio.to_thread(look_at, model, base, allow_pickle=allow_pickle)
        if report.state is ModelState.MISSING or (report.state is ModelState.WRONG and replace):
            report = await _pulled(report, placer, on_progress)
        yield report


async def _pulled(report: ModelReport, placer: Placer, on_progress: OnProgress | None) -> ModelReport:
    model = report.model
    if model.url is None:
        problem = "its manifest names no url to fetch it from"
        return ModelReport(model, report.state, report.path, problem=f"{report.problem}, and {problem}")
    wanted = Wanted(model.url, model.sha256, model.size_bytes)
    try:
        async with placer.placed({model.path: wanted}, on_progress=on_progress) as placement:
            placed = placement.files[model.path]
    except ComfypipeError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return ModelReport(model, report.state, report.path, problem=f"{error.message}{hint}")
    state = ModelState.OK if model.sha256 is not None else ModelState.UNLOCKED
    found = placed.downloaded
    return ModelReport(model, state, placed.path, found.sha256, found.size_bytes, seconds=placement.seconds)


def locked(reports: Iterable[ModelReport]) -> Iterator[tuple[str, LockedModel]]:
    """Yield the entries of the lock file for the models that are there."""
    for report in reports:
        if report.sha256 is not None and report.size_bytes is not None and report.state.there:
            yield report.model.path, LockedModel(report.sha256, report.size_bytes, report.model.url)


def _declared(model: ModelSpec, known: LockedModel | None, manifest: Manifest, source: Source) -> DeclaredModel:
    sha256 = model.sha256.lower() if model.sha256 else None
    if known is not None:
        for name, said, kept in (
            ("sha256", sha256, known.sha256),
            ("size_bytes", model.size_bytes, known.size_bytes),
        ):
            if said not in (None, kept):
                raise ManifestError(
                    f"{model.path}: the manifest says {name} {said}, the lock file {kept}",
                    hint="where the manifest is right: comfypipe models lock --anew",
                    source=source,
                )
    return DeclaredModel(
        path=model.path,
        url=model.url,
        sha256=sha256 or (known.sha256 if known else None),
        size_bytes=model.size_bytes if model.size_bytes is not None else known.size_bytes if known else None,
        license=model.license,
        workflows=(manifest.name,),
        source=source,
    )


def _both(first: DeclaredModel, second: DeclaredModel) -> DeclaredModel:
    """Return what two manifests say of a model together."""
    for name in ("sha256", "size_bytes"):
        said, also = getattr(first, name), getattr(second, name)
        if said is not None and also is not None and said != also:
            message = f"{second.path}: {second.workflows[0]} says {name} {also}, {first.workflows[0]} says {said}"
            raise ManifestError(message, hint="models of different content need different names", source=second.source)
    return DeclaredModel(
        path=first.path,
        url=first.url or second.url,
        sha256=first.sha256 or second.sha256,
        size_bytes=first.size_bytes if first.size_bytes is not None else second.size_bytes,
        license=first.license or second.license,
        workflows=(*first.workflows, *second.workflows),
        source=first.source,
    )
