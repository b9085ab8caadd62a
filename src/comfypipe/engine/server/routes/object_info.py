"""``/object_info``: the node classes."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe.engine.registry import describe
from comfypipe.engine.server.access import state_of
from comfypipe.engine.server.encoding import JSONReply, encode


async def show_all(request: Request) -> Response:
    """Return all classes, with the files that there are now."""
    engine = state_of(request).engine
    body = await asyncio.to_thread(lambda: encode(engine.object_info().to_json()))
    return Response(body, media_type="application/json")


async def show_one(request: Request) -> Response:
    """Return ``{class: entry}``; ``{}`` for an unknown class."""
    engine = state_of(request).engine
    node_class = engine.registry.get(request.path_params["class_type"])
    return JSONReply({} if node_class is None else {node_class.class_type: describe(node_class, engine.folders)})


ROUTES = (
    Route("/object_info", show_all, methods=["GET"]),
    Route("/object_info/{class_type}", show_one, methods=["GET"]),
)
