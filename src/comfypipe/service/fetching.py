"""Bringing the files of runs here: our own from the store, others over the network."""

import asyncio

from comfypipe.errors import DownloadRefused
from comfypipe.execution.media import media_of, media_type
from comfypipe.manifest.values import FileValue
from comfypipe.service.links import FileLink
from comfypipe.service.runs import find_run
from comfypipe.service.state import Parts
from comfypipe.service.uploads import find_upload


async def bring(parts: Parts, url: str, place: str) -> FileValue:
    """
    Return a URL's file, which lies on this machine now.

    Args:
        place: Where it is meant to go, relative to ComfyUI's folder.

    Raises:
        DownloadRefused: The rules do not allow it.
        DownloadFailed: It could not be had.
    """
    filename = place.rsplit("/", 1)[-1]
    own = parts.links.read(url)
    if own is None:
        return await download(parts, url, place)
    sha256 = await _stored(parts, own[0])
    path = await asyncio.to_thread(parts.artifacts.path, sha256)
    return FileValue(filename, media_of(await asyncio.to_thread(media_type, path, filename)), path, url, sha256)


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


async def download(parts: Parts, url: str, place: str) -> FileValue:
    raise DownloadRefused(f"{url} cannot be fetched for {place}")
