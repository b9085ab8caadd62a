"""Uploads to our own service: streamed, by hash, and only what it does not have."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx

from comfypipe._types import JSON
from comfypipe.backends.base import InputFile
from comfypipe.backends.comfyicu.api import RunsApi
from comfypipe.backends.comfyicu.failures import words_of
from comfypipe.backends.comfyicu.staging import local_path
from comfypipe.errors import BackendRejected
from comfypipe.manifest.values import safe_filename

_CHUNK_BYTES = 1 << 20


class ServiceUploads:
    """Puts files of this machine into the service's own store; each content once."""

    def __init__(self, api: RunsApi) -> None:
        self._api = api
        self._urls: dict[str, asyncio.Future[str]] = {}

    async def url_of(self, file: InputFile) -> str:
        """
        Return the service's URL of a file.

        Raises:
            BackendRejected: It is gone or has changed since it was given, or the service does not take it.
        """
        path = local_path(file)
        key = f"{file.sha256}/{safe_filename(file.name)}"
        known = self._urls.get(key)
        if known is None or known.cancelled() or (known.done() and known.exception() is not None):
            known = self._urls[key] = asyncio.ensure_future(self._stored(file, path))
        return await asyncio.shield(known)  # the others who wait for the same file are not to be cancelled with one

    async def _stored(self, file: InputFile, path: Path) -> str:
        reply = await self._api.ask("/files", {"sha256": str(file.sha256), "limit": "1"})
        if reply.status == httpx.codes.OK and isinstance(reply.body, list) and reply.body:
            return self._url(file, reply.status, reply.body[0])
        size = str((await asyncio.to_thread(path.stat)).st_size)
        reply = await self._api.tell(
            "PUT",
            f"/files/{quote(safe_filename(file.name), safe='')}",
            params={"sha256": str(file.sha256)},
            make_content=lambda: _chunks(path),
            headers={"Content-Type": "application/octet-stream", "Content-Length": size},
            timeout=httpx.Timeout(300.0, connect=10.0),
        )
        return self._url(file, reply.status, reply.body)

    def _url(self, file: InputFile, status: int, body: JSON) -> str:
        url = body.get("url") if isinstance(body, dict) else None
        if status in (httpx.codes.OK, httpx.codes.CREATED) and isinstance(url, str):
            return url
        raise BackendRejected(f"{self._api.url} does not take {file.name}, HTTP {status}: {words_of(body)}")


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as stream:
        while chunk := await asyncio.to_thread(stream.read, _CHUNK_BYTES):
            yield chunk
