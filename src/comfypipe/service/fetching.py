"""Bringing the files of a run here: our own from the store, others over the network, models into ComfyUI's folder."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.backends.comfyui.needs import Needs, needs_of
from comfypipe.downloads.destinations import Destination, destination
from comfypipe.downloads.leases import Hold
from comfypipe.downloads.linking import put_in_place
from comfypipe.downloads.model_files import check_for, check_name
from comfypipe.errors import DownloadRefused
from comfypipe.execution.media import media_of, media_type
from comfypipe.manifest.values import FOLDER, FileValue
from comfypipe.prompt.graph import PromptGraph
from comfypipe.service.links import FileLink
from comfypipe.service.runs import find_run
from comfypipe.service.state import Parts
from comfypipe.service.uploads import find_upload

_DIGITS = 16
"""Of a digest, in the name of a folder."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """
    Brings the files of one run.

    Attributes:
        prompt: Of the run; says which models it needs.
        hold: Keeps what was fetched as long as the run needs it.
    """

    parts: Parts
    hold: Hold
    prompt: JSONObject

    @property
    def takes_urls(self) -> bool:
        """Whether the backend fetches files itself."""
        return self.parts.backends.get(self.parts.settings.backend).takes_urls

    async def bring(self, url: str, path: str) -> FileValue:
        """
        Return a URL's file, which lies on this machine now; only its URL where the backend fetches files itself.

        Args:
            path: Where it is meant to go, relative to ComfyUI's folder.

        Raises:
            DownloadRefused: The rules do not allow it.
            DownloadFailed: It could not be had.
        """
        place = destination(path)
        check_name(place, allow_pickle=self.parts.settings.allow_pickle)
        if place.is_model and self.parts.models is None and not self.takes_urls:
            await self._have_model(place)
            return FileValue(place.parts[-1], url=url)
        own = self.parts.links.read(url)
        if own is not None:
            return await self._own(own[0], place)
        if self.takes_urls:
            return FileValue(place.parts[-1], url=url)
        found = await self.parts.downloads.get(
            url, check=check_for(place, allow_pickle=self.parts.settings.allow_pickle), hold=self.hold
        )
        return await self._described(found.path, found.sha256, place)

    async def put_model(self, path: str, file: FileValue) -> str | None:
        """
        Put a model into ComfyUI's folder, in a folder of its content's own, and return its name for nodes.

        None where it keeps the name that it has: the other side puts it in place, or has it already.
        """
        place, folder = destination(path), self.parts.models
        if folder is None or file.path is None or file.sha256 is None:
            return None
        root, rest = place.parts[:2], place.parts[2:]
        own = Destination((*root, FOLDER, file.sha256[:_DIGITS], *rest))
        await asyncio.to_thread(put_in_place, file.path, own, folder, file.sha256, replace=True)
        return "/".join(own.parts[2:])

    async def _own(self, link: FileLink, place: Destination) -> FileValue:
        sha256 = await _stored(self.parts, link)
        path = await asyncio.to_thread(self.parts.artifacts.path, sha256)
        await asyncio.to_thread(check_for(place, allow_pickle=self.parts.settings.allow_pickle), path)
        return await self._described(path, sha256, place)

    async def _described(self, path: Path, sha256: str, place: Destination) -> FileValue:
        filename = place.parts[-1]
        return FileValue(filename, media_of(await asyncio.to_thread(media_type, path, filename)), path, None, sha256)

    async def _have_model(self, place: Destination) -> None:
        """
        Make sure that the server has a model which nobody can put there.

        Raises:
            DownloadRefused: It has not.
        """
        name = "/".join(place.parts[2:])
        uses = frozenset(each for each in needs_of(PromptGraph.parse(self.prompt)).uses if each.filename == name)
        needs = Needs(frozenset(), uses, frozenset({name}))
        backend = self.parts.backends.get(self.parts.settings.backend)
        for fresh in (False, True):
            info = await backend.object_info(fresh=fresh)
            if info is None or not needs.missing_from(info):
                return
        raise DownloadRefused(
            f"the server has no {place.name}, and its folder is not at hand to put it there",
            hint="put it there beforehand, or tell the service where ComfyUI's folder is: --comfyui DIR",
        )


async def _stored(parts: Parts, link: FileLink) -> str:
    """Return the digest of what one of our own URLs leads to."""
    if link.kind == "uploads":
        upload = await parts.worker.read(lambda connection: find_upload(connection, link.owner))
        if upload is not None:
            return upload.sha256
    run = await parts.worker.read(lambda connection: find_run(connection, link.owner))
    if link.kind == "outputs" and run is not None and link.position < len(run.output or []):
        return str((run.output or [])[link.position]["sha256"])
    raise DownloadRefused("a URL of this service leads to a file that it does not have any more")
