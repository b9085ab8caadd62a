"""What a server offers, kept on disk from one process to the next."""

import asyncio
import hashlib
import json
import secrets
from contextlib import suppress
from pathlib import Path

import httpx

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.comfyui.wire import parse_object_info, parse_version
from comfypipe.backends.http import HttpServer
from comfypipe.errors import ProtocolMismatch
from comfypipe.prompt.object_info import ObjectInfo


class Offers:
    """
    The reply of a server's ``/object_info``, which is large and rarely changes.

    What is kept is taken when the server still tells of the same versions and the same extensions of its front end:
    two small questions. That misses new model files, and custom nodes without a front end. So it is good for finding
    nothing wrong, as the server looks for itself when it is given a prompt; before anything is refused because of it,
    it has to be asked for anew.

    Args:
        http: The server.
        folder: Where it is kept; nowhere if None.
    """

    def __init__(self, http: HttpServer, folder: Path | None) -> None:
        self._http = http
        name = hashlib.sha256(http.url.encode()).hexdigest()[:16]
        self._path = folder / f"{name}.json" if folder is not None else None

    async def get(self, *, fresh: bool) -> ObjectInfo:
        """
        Return what the server can run, as it is now or as it is kept.

        Raises:
            ProtocolMismatch: It is no ComfyUI server.
            BackendError: It cannot be asked.
        """
        if self._path is None:
            return ObjectInfo(await self._ask())
        if not fresh and (kept := await asyncio.to_thread(_read, self._path)) is not None:
            version, raw = kept
            if version == await self._version():
                return ObjectInfo(raw)
        version = await self._version()  # before: what changes meanwhile is found out the next time
        raw = await self._ask()
        if version is not None:
            await asyncio.to_thread(_write, self._path, version, raw)
        return ObjectInfo(raw)

    def forget(self) -> None:
        """Ask anew the next time: the server has refused what it was thought to offer."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _ask(self) -> JSONObject:
        reply = await self._http.request("GET", "/object_info")
        if reply.status != httpx.codes.OK:
            raise ProtocolMismatch(f"{self._http.url} has no /object_info", hint="is it a ComfyUI server?")
        return parse_object_info(reply.body, self._http.url)

    async def _version(self) -> JSON:
        """Return what tells that the server is the same; None where it does not tell."""
        try:
            stats = await self._http.request("GET", "/system_stats")
            extensions = await self._http.request("GET", "/extensions")
        except ProtocolMismatch:
            return None  # what is asked for after it will say the same, or is there all the same
        version = parse_version(stats.body)
        if version is None:
            return None
        listed = json.dumps(extensions.body, sort_keys=True).encode()
        return {**version, "extensions": hashlib.sha256(listed).hexdigest()}


def _read(path: Path) -> tuple[JSON, JSONObject] | None:
    try:
        kept = json.loads(path.read_bytes())
        return kept["version"], dict(kept["object_info"])
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not what was written
        return None


def _write(path: Path, version: JSON, raw: JSONObject) -> None:
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    with suppress(OSError):  # it is only there to save time
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(json.dumps({"version": version, "object_info": raw}), encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
