"""Files that inputs and manifests name by URL: fetched here, where the backend does not fetch them itself."""

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from comfypipe.errors import ComfypipeError
from comfypipe.execution.events import FilesFetched, FilesProgress, JobFailed
from comfypipe.plan.jobs import with_files
from comfypipe.plan.steps import Job, PlacedFile, Step
from comfypipe.project import ProjectLayout
from comfypipe.store.records import RunRecord

if TYPE_CHECKING:
    from comfypipe.downloads.cache import DownloadCache
    from comfypipe.downloads.leases import Hold
    from comfypipe.downloads.place import Placed, Placer, Wanted
    from comfypipe.downloads.settings import DownloadSettings
    from comfypipe.downloads.transfer import DownloadProgress
    from comfypipe.execution.context import Execution

_MODELS = "models/"
_KEPT_RUNS = 1000
"""So many runs are remembered with what URLs gave in them."""


@asynccontextmanager
async def files_here(execution: "Execution", step: Step, job: Job, run: RunRecord) -> AsyncIterator[Job]:
    """
    Yield *job* with its files on this machine, as long as the block lasts, where its backend needs them here.

    Raises:
        StoreError: As `UrlFiles.here`.
    """
    if execution.urls is None:
        yield job
        return
    async with execution.urls.here(execution, step, job, run) as complete:
        yield complete


class UrlFiles:
    """
    Fetches the files of jobs, through the project's cache of downloads.

    A URL is asked once in a run: what it gave first is what all its steps read.

    Args:
        allow_origins: Origins that may be on this machine or in its network, besides those of the settings.
    """

    def __init__(self, layout: ProjectLayout, allow_origins: Iterable[str] = ()) -> None:
        self._layout = layout
        self._allow_origins = tuple(allow_origins)
        self._given: dict[str, dict[str, str]] = {}

    @asynccontextmanager
    async def here(self, execution: "Execution", step: Step, job: Job, run: RunRecord) -> AsyncIterator[Job]:
        """
        Yield the job with its files on this machine, as long as the block lasts: it is named by what they hold.

        Raises:
            StoreError: One cannot be had (`DownloadRefused`, `DownloadMissing`, `DownloadFailed`) or stored.
        """
        wanted = [each for each in job.files if _is_wanted(each)]
        if not wanted or execution.backend_of(job).takes_urls:
            yield job
            return
        with self._cache.hold() as hold:
            try:
                complete = await self._fetched(execution, step, job, run, wanted, hold)
            except ComfypipeError as error:
                execution.listener(JobFailed(run.id, job.step_id, job.item, error))
                raise
            yield complete

    async def close(self) -> None:
        """Close connections."""
        if "_cache" in self.__dict__:
            await self._cache.close()
            del self._cache

    async def _fetched(
        self,
        execution: "Execution",
        step: Step,
        job: Job,
        run: RunRecord,
        wanted: list[PlacedFile],
        hold: "Hold",
    ) -> Job:
        from comfypipe.downloads.place import Wanted

        def tell(progress: "DownloadProgress") -> None:
            told = FilesProgress(run.id, step.id, job.item, progress.url, progress.received_bytes, progress.total_bytes)
            execution.listener(told)

        began = time.monotonic()
        given = self._of_run(run.id)
        files = {each.name: Wanted(str(each.file.url), sha256=given.get(str(each.file.url))) for each in wanted}
        placed: dict[str, Placed] = {}
        for placer, names in self._placers(files):
            placed |= (await placer.place({name: files[name] for name in names}, hold, on_progress=tell)).files
        for name, each in files.items():
            given.setdefault(each.url, placed[name].downloaded.sha256)
        count = sum(not each.downloaded.cached for each in placed.values())
        execution.listener(FilesFetched(run.id, step.id, job.item, count, time.monotonic() - began))
        return self._rendered(step, job, files, placed)

    def _rendered(self, step: Step, job: Job, files: "Mapping[str, Wanted]", placed: "Mapping[str, Placed]") -> Job:
        """Return the job rendered anew, with files named by what they hold."""
        here: dict[str, tuple[Path, str]] = {}
        for name, each in files.items():
            here[each.url] = placed[name].downloaded.path, placed[name].downloaded.sha256
        made = with_files(step, job, here, self._layout)
        in_place = {name for name in placed if name.startswith(_MODELS)}
        return replace(made, files=tuple(each for each in made.files if each.name not in in_place))

    def _placers(self, files: "Mapping[str, Wanted]") -> "Iterator[tuple[Placer, list[str]]]":
        """Yield what fetches inputs, which backends are handed, and what puts models into ComfyUI's folder."""
        from comfypipe.downloads.place import Placer

        settings = self._settings
        folder = settings.base(self._layout) if settings.comfyui else None
        models = [name for name in files if name.startswith(_MODELS)]
        yield Placer(self._cache, None), [name for name in files if name not in models]
        if models:
            yield Placer(self._cache, folder, allow_pickle=settings.allow_pickle), models

    def _of_run(self, run_id: str) -> dict[str, str]:
        """Return by URL the digests that it gave in a run."""
        while len(self._given) > _KEPT_RUNS:
            del self._given[next(iter(self._given))]
        return self._given.setdefault(run_id, {})

    @cached_property
    def _settings(self) -> "DownloadSettings":
        from comfypipe.downloads.settings import DownloadSettings

        return DownloadSettings.of(self._layout)

    @cached_property
    def _cache(self) -> "DownloadCache":
        from comfypipe.downloads.settings import open_cache

        return open_cache(self._layout, self._settings, allow_origins=self._allow_origins)


def _is_wanted(placed: PlacedFile) -> bool:
    """Whether a file is known by its URL alone; what a run made and left with its backend is another matter."""
    return placed.file.path is None and placed.file.url is not None and placed.file.remote is None
