"""``/view``: the bytes of a file, or a picture made of it."""

import asyncio
import io
import mimetypes
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from PIL import Image
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from comfypipe.engine.files import folder_of
from comfypipe.engine.loading import split_annotation
from comfypipe.engine.registry import Folders
from comfypipe.engine.server.access import state_of
from comfypipe.engine.server.encoding import server_error

_SCRIPTABLE = frozenset({"text/html", "text/html-sandboxed", "application/xhtml+xml", "text/javascript", "text/css"})
"""Types that a browser would run in this origin: given as plain bytes, as ComfyUI does."""

_SMALL_BYTES = 64 * 1024


async def view(request: Request) -> Response:
    """Return a file of ``output`` (or ``type``); ``preview`` and ``channel`` give a picture made of it."""
    found = _find(request.query_params, state_of(request).engine.folders)
    if isinstance(found, Response):
        return found
    if "preview" in request.query_params:
        return await _picture(_preview, found, request.query_params["preview"])
    if request.query_params.get("channel") in ("rgb", "a"):
        return await _picture(_channel, found, request.query_params["channel"])
    return _file(found, whole="range" not in request.headers)


def _find(query: QueryParams, folders: Folders) -> Path | Response:
    if "filename" not in query:
        return Response(status_code=404)
    filename, kind = _annotated(query)
    if not filename or filename.startswith("/") or ".." in filename or "\0" in filename:
        return Response(status_code=400)
    try:
        folder = os.path.realpath(folder_of(kind, folders))
        inner = os.path.realpath(os.path.join(folder, query.get("subfolder", "")))  # noqa: PTH118  see `_is_below`
    except ValueError:
        return Response(status_code=400)
    path = Path(inner, Path(filename).name)  # folders stand in ``subfolder``; any in the name are dropped
    if not _is_below(inner, folder) or (path.is_symlink() and not _is_below(os.path.realpath(path), folder)):
        return Response(status_code=403)
    return path if path.is_file() else Response(status_code=404)


def _is_below(path: str, folder: str) -> bool:
    """Tell whether a resolved path is that of a folder, or lies in it; text, since every picture is asked for here."""
    return path == folder or path.startswith(f"{folder.rstrip(os.sep)}{os.sep}")


def _annotated(query: QueryParams) -> tuple[str, str]:
    filename = query["filename"]
    if re.search(r" \[(input|output|temp)\]$", filename):
        return split_annotation(filename)
    return filename, query.get("type", "output")


def _file(path: Path, *, whole: bool) -> Response:
    """Return a file as it is. A small one is read at once: a thread, which would do it piece by piece, costs more."""
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": _disposition(path.name)}
    with path.open("rb", buffering=0) as file:
        about = os.fstat(file.fileno())
        response = FileResponse(path, media_type=_media_type(path.name), headers=headers, stat_result=about)
        if whole and about.st_size <= _SMALL_BYTES:
            return Response(file.read(), headers=response.headers)
    return response


async def _picture(make: Callable[[Image.Image, str], Response], path: Path, setting: str) -> Response:
    def run() -> Response:
        try:
            with Image.open(path) as image:
                return make(image, setting)
        except (OSError, ValueError):  # no picture, a broken one, or one too large
            return server_error()

    return await asyncio.to_thread(run)


def _preview(image: Image.Image, setting: str) -> Response:
    """Encode anew: *setting* is ``webp``, ``jpeg``, or one of them with a quality, ``webp;50``."""
    kind, _, quality = setting.partition(";")
    kind = kind if kind in ("webp", "jpeg") else "webp"
    return _encoded(image.convert("RGB") if kind == "jpeg" else image, kind, quality=int(quality or 90))


def _channel(image: Image.Image, channel: str) -> Response:
    """Return the colours without alpha (``rgb``), or alpha alone on black (``a``), as PNG."""
    if channel == "rgb":
        return _encoded(image.convert("RGB"), "png")
    alone = Image.new("RGBA", image.size)
    alone.putalpha(image.getchannel("A") if "A" in image.getbands() else Image.new("L", image.size, 255))
    return _encoded(alone, "png")


def _encoded(image: Image.Image, kind: str, **options: int) -> Response:
    buffer = io.BytesIO()
    image.save(buffer, kind.upper(), **options)
    return Response(buffer.getvalue(), media_type=f"image/{kind}")


def _media_type(name: str) -> str:
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return "application/octet-stream" if guessed in _SCRIPTABLE else guessed


def _disposition(name: str) -> str:
    kind = "attachment" if name.lower().endswith((".html", ".htm", ".svg", ".xml", ".xhtml", ".js")) else "inline"
    return f"{kind}; filename*=UTF-8''{quote(name)}"


ROUTES = (Route("/view", view, methods=["GET"]),)
