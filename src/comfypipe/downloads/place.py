"""All files of a run in their places: fetched at once, held while they are needed."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comfypipe.downloads.cache import DownloadCache, Downloaded
from comfypipe.downloads.destinations import Destination, destination
from comfypipe.downloads.leases import Hold
from comfypipe.downloads.linking import put_in_place
from comfypipe.downloads.model_files import check_for, check_name
from comfypipe.downloads.transfer import OnProgress
from comfypipe.errors import DownloadRefused

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    A file to fetch.

    Attributes:
        headers: Sent to the URL's own origin only.
    """

    url: str
    sha256: str | None = None
    size_bytes: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Placed:
    """
    A file that is there.

    Attributes:
        name: Its place relative to ComfyUI's folder, such as ``input/photo.png``.
        path: Where it lies: in ComfyUI's folder where that is at hand, else in the cache.
    """

    name: str
    path: Path
    downloaded: Downloaded


@dataclass(frozen=True, slots=True)
class Placement:
    """
    The files of a run.

    Attributes:
        files: By name.
        seconds: What it took to have all of them, apart from execution.
    """

    files: Mapping[str, Placed]
    seconds: float


class Placer:
    """
    Puts files where prompts expect them.

    Args:
        base: ComfyUI's folder; None when it is not at hand: then inputs are in the cache, to be uploaded, and models
            have to be on the server already.
        allow_pickle: Whether models may be files that run code when they are loaded.
        replace_models: Whether a model gives way to another one of its name.
        size_limit: Of each file, where that is less than the cache's.
    """

    def __init__(
        self,
        cache: DownloadCache,
        base: Path | None,
        *,
        allow_pickle: bool = False,
        replace_models: bool = False,
        size_limit: int | None = None,
    ) -> None:
        self._cache = cache
        self._base = base
        self._allow_pickle = allow_pickle
        self._replace_models = replace_models
        self._size_limit = size_limit
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def check(
        self, files: Mapping[str, str | Wanted], *, present: Collection[str] = ()
    ) -> Mapping[Destination, Wanted]:
        """
        Return what is to be fetched, by place, once it is known that it may be; nothing is fetched yet.

        Args:
            present: Models that the server has, such as ``models/loras/ink.safetensors``; they are left out.

        Raises:
            DownloadRefused: A place or URL is not allowed, one is named twice, or models have nowhere to go.
        """
        found: dict[Destination, Wanted] = {}
        for path, given in files.items():
            place = destination(path)
            wanted = given if isinstance(given, Wanted) else Wanted(given)
            self._cache.check_url(wanted.url)
            check_name(place, allow_pickle=self._allow_pickle)
            if found.setdefault(place, wanted) != wanted:
                raise DownloadRefused(f"{place.name} is named twice, with different URLs")
        if self._base is not None:
            return found
        return {place: wanted for place, wanted in found.items() if not self._is_there(place, found, present)}

    @asynccontextmanager
    async def placed(
        self,
        files: Mapping[str, str | Wanted],
        *,
        present: Collection[str] = (),
        on_progress: OnProgress | None = None,
    ) -> AsyncIterator[Placement]:
        """
        Yield the files in their places; while the block lasts the cache keeps them.

        Args:
            files: By place (``input/…``, ``models/FOLDER/…``, also with a slash before it), the URL.
            present: As for `check`.

        Raises:
            StoreError: One of them cannot be had (`DownloadRefused`, `DownloadMissing`, `DownloadFailed`) or stored;
                the others are not waited for.
        """
        with self._cache.hold() as hold:
            yield await self.place(files, hold, present=present, on_progress=on_progress)

    async def place(
        self,
        files: Mapping[str, str | Wanted],
        hold: Hold,
        *,
        present: Collection[str] = (),
        on_progress: OnProgress | None = None,
    ) -> Placement:
        """Put the files in place, held by *hold*: `placed`, for those whose hold outlasts a block."""
        began = time.monotonic()
        wanted = self.check(files, present=present)
        found = await _together(self._place(place, each, hold, on_progress) for place, each in wanted.items())
        return Placement({each.name: each for each in found}, time.monotonic() - began)

    async def _place(self, place: Destination, wanted: Wanted, hold: Hold, on_progress: OnProgress | None) -> Placed:
        async with self._slots:
            downloaded = await self._cache.get(
                wanted.url,
                sha256=wanted.sha256,
                size_bytes=wanted.size_bytes,
                size_limit=self._size_limit,
                headers=wanted.headers,
                check=check_for(place, allow_pickle=self._allow_pickle),
                hold=hold,
                on_progress=on_progress,
            )
        if self._base is None:
            return Placed(place.name, downloaded.path, downloaded)
        replace = self._replace_models if place.is_model else True
        path = await asyncio.to_thread(
            put_in_place, downloaded.path, place, self._base, downloaded.sha256, replace=replace
        )
        return Placed(place.name, path, downloaded)

    def _is_there(self, place: Destination, all_places: Iterable[Destination], present: Collection[str]) -> bool:
        if not place.is_model:
            return False
        missing = [each.name for each in all_places if each.is_model and each.name not in present]
        if missing:
            raise DownloadRefused(
                f"the server has no {', '.join(missing)}, and its folder is not at hand to put them there",
                hint="put them there beforehand, or say where ComfyUI's folder is",
            )
        return True


async def _together(work: Iterable[Coroutine[Any, Any, Placed]]) -> list[Placed]:
    """Return what all give; when one fails, the others are cancelled, and waited for."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
