"""``/upload/image`` and ``/upload/mask``: files that clients bring."""

import asyncio
import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe._types import JSONObject
from comfypipe.engine.files import file_path, folder_of
from comfypipe.engine.loading import file_digest
from comfypipe.engine.registry import Folders
from comfypipe.engine.saving import written
from comfypipe.engine.server.access import state_of
from comfypipe.engine.server.encoding import JSONReply, server_error
from comfypipe.engine.server.state import MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class _Upload:
    data: bytes
    path: Path
    folder: Path
    kind: str
    overwrite: bool

    def reply(self, path: Path) -> Response:
        subfolder = path.parent.relative_to(self.folder).as_posix()
        return JSONReply({"name": path.name, "subfolder": "" if subfolder == "." else subfolder, "type": self.kind})


async def upload_image(request: Request) -> Response:
    """
    Keep a file of any kind.

    The same name with the same bytes is kept once; with other bytes it becomes ``name (1).png``, unless ``overwrite``
    is ``true`` or ``1``.
    """
    upload = await _read(request)
    return upload if isinstance(upload, Response) else await asyncio.to_thread(_keep, upload)


async def upload_mask(request: Request) -> Response:
    """Keep a picture made of an earlier one (``original_ref``) with the alpha of the uploaded one."""
    async with request.form(max_part_size=MAX_BODY_BYTES) as form:
        upload = await _parse(form, state_of(request).engine.folders)
        reference = str(form.get("original_ref", ""))
    if isinstance(upload, Response):
        return upload
    return await asyncio.to_thread(_keep_mask, upload, reference, state_of(request).engine.folders)


async def _read(request: Request) -> _Upload | Response:
    async with request.form(max_part_size=MAX_BODY_BYTES) as form:
        return await _parse(form, state_of(request).engine.folders)


async def _parse(form: FormData, folders: Folders) -> _Upload | Response:
    image = form.get("image")
    if not isinstance(image, UploadFile) or not image.filename:
        return Response(status_code=400)
    kind = str(form.get("type") or "input")
    try:
        folder = folder_of(kind, folders)
    except ValueError:
        return server_error()
    try:
        path = file_path(image.filename, str(form.get("subfolder") or ""), kind, folders)
    except ValueError:
        return Response(status_code=400)
    return _Upload(await image.read(), path, folder.resolve(), kind, form.get("overwrite") in ("true", "1"))


def _keep(upload: _Upload) -> Response:
    digest = hashlib.sha256(upload.data).hexdigest()
    path = upload.path if upload.overwrite else _free_name(upload.path, digest)
    if upload.overwrite or not path.exists():
        _write(path, upload.data)
    return upload.reply(path)


def _free_name(path: Path, digest: str) -> Path:
    for candidate in _names(path):
        if not candidate.exists() or (candidate.is_file() and file_digest(candidate) == digest):
            return candidate
    raise AssertionError("names never end")


def _names(path: Path) -> Iterator[Path]:
    yield path
    number = 0
    while True:
        number += 1
        yield path.with_name(f"{path.stem} ({number}){path.suffix}")


def _keep_mask(upload: _Upload, reference: str, folders: Folders) -> Response:
    try:
        original = _referenced(json.loads(reference), folders)
        data = _with_alpha(original, upload.data)
    except (AttributeError, KeyError, TypeError, ValueError, OSError):
        return Response(status_code=400)
    _write(upload.path, data)
    return upload.reply(upload.path)


def _referenced(reference: JSONObject, folders: Folders) -> Path:
    kind = reference.get("type") or "output"
    return file_path(os.fspath(reference["filename"]), reference.get("subfolder") or "", kind, folders)


def _with_alpha(original: Path, mask: bytes) -> bytes:
    with Image.open(original) as picture, Image.open(io.BytesIO(mask)) as alpha:
        metadata = PngInfo()
        for key, text in getattr(picture, "text", {}).items():
            metadata.add_text(key, text)
        result = picture.convert("RGBA")
        result.putalpha(alpha.convert("RGBA").getchannel("A").resize(result.size))
        buffer = io.BytesIO()
        result.save(buffer, "PNG", compress_level=4, pnginfo=metadata)
        return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as partial:
        partial.write_bytes(data)


ROUTES = (
    Route("/upload/image", upload_image, methods=["POST"]),
    Route("/upload/mask", upload_mask, methods=["POST"]),
)
