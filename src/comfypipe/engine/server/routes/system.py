"""``/system_stats``, ``/features``, ``/free``, ``/extensions``: the server itself."""

import os
import sys
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe._types import JSONObject
from comfypipe.engine.server.access import read_json, state_of
from comfypipe.engine.server.encoding import JSONReply, server_error
from comfypipe.engine.server.state import FEATURES

PROTOCOL_VERSION = "0.3.64"
"""The ComfyUI whose protocol and nodes the engine follows."""


async def system_stats(_request: Request) -> Response:
    """Return versions, memory, and one device: the processor."""
    total, free = _memory_bytes()
    device = {
        "name": "cpu",
        "type": "cpu",
        "index": None,
        "vram_total": total,
        "vram_free": free,
        "torch_vram_total": total,
        "torch_vram_free": free,
    }
    return JSONReply({"system": _system(total, free), "devices": [device]})


async def features(_request: Request) -> Response:
    """Return what the server can do."""
    return JSONReply(FEATURES)


async def free(request: Request) -> Response:
    """Forget the results that are kept between prompts, where ``free_memory`` says so."""
    try:
        body = await read_json(request)
        wanted = body.get("free_memory", False)
    except (AttributeError, ValueError):
        return server_error()
    if wanted:
        state_of(request).engine.cache.clear()
    return Response()


async def extensions(_request: Request) -> Response:
    """Return the front end's extensions: there is no front end."""
    return JSONReply([])


def _system(total: int, free: int) -> JSONObject:
    return {
        "os": os.name,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": PROTOCOL_VERSION,
        "required_frontend_version": "",
        "installed_templates_version": "",
        "required_templates_version": "",
        "python_version": sys.version,
        "pytorch_version": "",
        "embedded_python": False,
        "argv": ["comfypipe", "engine"],
        "comfypipe_version": version("comfypipe"),
    }


def _memory_bytes() -> tuple[int, int]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system tells
        return 0, 0


ROUTES = (
    Route("/system_stats", system_stats, methods=["GET"]),
    Route("/features", features, methods=["GET"]),
    Route("/free", free, methods=["POST"]),
    Route("/extensions", extensions, methods=["GET"]),
)
