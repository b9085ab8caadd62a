"""Input files on their way to a server: each one once, streamed from the disk, and only if it is what was meant."""

import asyncio
import hashlib
from collections.abc import Sequence
from io import BufferedReader
from pathlib import PurePosixPath
from typing import Any

import httpx

from comfypipe.backends.base import InputFile
from comfypipe.backends.http import HttpServer
from comfypipe.errors import BackendRejected


class Uploads:
    """
    The files that a server was given.

    Args:
        http: The server.
    """

    def __init__(self, http: HttpServer) -> None:
        self._http = http
        self._given: set[tuple[str, str]] = set()
        self._giving: dict[str, asyncio.Lock] = {}

    async def put(self, files: Sequence[InputFile]) -> bool:
        """
        Put files in place; return whether any of them was not sent, as it was given before.

        Raises:
            BackendRejected: The server has another file of that name, or one is not what was meant.
            BackendError: The server cannot be reached, or has no room.
        """
        sent = [await self._put_once(file) for file in files]
        return not all(sent)

    def forget(self) -> None:
        """Give every file again: the server may have lost them."""
        self._given.clear()

    async def _put_once(self, file: InputFile) -> bool:
        key = (file.name, file.sha256 or "")
        async with self._giving.setdefault(file.name, asyncio.Lock()):
            if key in self._given:
                return False
            await self._put(file)
            if file.sha256 is not None:
                self._given.add(key)
        self._giving.pop(file.name, None)
        return True

    async def _put(self, file: InputFile) -> None:
        place = PurePosixPath(file.name)
        if place.parts[0] != "input" or ".." in place.parts:
            raise BackendRejected(
                f"{file.name} cannot be put onto {self._http.url}: only files below input/ can be uploaded",
                hint="put it there by hand, or take it out of the manifest's files",
            )
        if file.path is None:
            raise BackendRejected(f"{file.name} was not fetched yet: only its URL is known")
        try:
            stream = await asyncio.to_thread(file.path.open, "rb")
        except OSError as error:
            raise BackendRejected(f"{file.name} cannot be read: {file.path}: {error.strerror}") from error
        with stream:
            await asyncio.to_thread(_check, file, stream)
            await self._send(file, place, stream)

    async def _send(self, file: InputFile, place: PurePosixPath, stream: BufferedReader) -> None:
        subfolder = PurePosixPath(*place.parts[1:-1]).as_posix() if len(place.parts) > 2 else ""
        reply = await self._http.request(
            "POST",
            "/upload/image",
            repeatable=True,  # a file of the same name and bytes is left as it is
            files={"image": (place.name, stream)},
            data={"subfolder": subfolder, "type": "input", "overwrite": "false"},
        )
        _check_reply(file, place, subfolder, reply.status, reply.body)


def _check(file: InputFile, stream: BufferedReader) -> None:
    """A picture that is cut off loads without complaint: half a file must not get that far."""
    if file.sha256 is not None and hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
        raise BackendRejected(f"{file.path} has changed since it was given", hint="run it again")


def _check_reply(file: InputFile, place: PurePosixPath, subfolder: str, status: int, body: Any) -> None:
    if status != httpx.codes.OK or not isinstance(body, dict):
        raise BackendRejected(f"the server answers HTTP {status} to the upload of {file.name}")
    if (body.get("name"), body.get("subfolder", "")) != (place.name, subfolder):
        raise BackendRejected(
            f"the server has another file as {file.name} already",
            hint="the server's own file is left alone: give ours another name in the manifest's files",
        )
