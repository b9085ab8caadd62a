"""``/queue`` and ``/interrupt``: what waits and what runs, and how to end it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe._types import JSON
from comfypipe.engine.server.access import read_json, settled_state_of, state_of
from comfypipe.engine.server.encoding import JSONReply, server_error
from comfypipe.engine.server.history import queue_entry


async def show_queue(request: Request) -> Response:
    """Return what runs and what waits."""
    running, pending = (await settled_state_of(request)).queue.both()
    return JSONReply(
        {
            "queue_running": [queue_entry(item) for item in running],
            "queue_pending": [queue_entry(item) for item in pending],
        }
    )


async def change_queue(request: Request) -> Response:
    """Take what waits out of the queue: all (``clear``), or some (``delete``). What runs goes on."""
    state = await settled_state_of(request)
    try:
        body = await read_json(request)
        if body.get("clear"):
            state.remove_pending()
        if "delete" in body:
            state.remove_pending([str(each) for each in body["delete"]])
    except (AttributeError, TypeError, ValueError):
        return server_error()
    return Response()


async def interrupt(request: Request) -> Response:
    """Stop what runs; with ``prompt_id``, only if it is that one."""
    try:
        body: JSON = await read_json(request)
    except ValueError:
        body = {}
    prompt_id = body.get("prompt_id") if isinstance(body, dict) else None
    state_of(request).interrupt(prompt_id or None)
    return Response()


ROUTES = (
    Route("/queue", show_queue, methods=["GET"]),
    Route("/queue", change_queue, methods=["POST"]),
    Route("/interrupt", interrupt, methods=["POST"]),
)
