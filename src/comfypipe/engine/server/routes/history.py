"""``/history``: prompts that have ended."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe.engine.server.access import read_json, settled_state_of, state_of
from comfypipe.engine.server.encoding import server_error
from comfypipe.engine.server.history import Page


async def show_history(request: Request) -> Response:
    """Return entries by id; ``max_items`` and ``offset`` choose a page."""
    query = request.query_params
    try:
        page = Page(
            max_items=int(query["max_items"]) if query.get("max_items") else None,
            offset=int(query["offset"]) if query.get("offset") else -1,
        )
    except ValueError:
        return server_error()
    state = await settled_state_of(request)
    return Response(state.history.page_json(page), media_type="application/json")


async def show_one(request: Request) -> Response:
    """Return ``{id: entry}``; ``{}`` while it waits or runs, and for an unknown one."""
    encoded = (await settled_state_of(request)).history.get_json(request.path_params["prompt_id"])
    return Response(encoded, media_type="application/json")


async def change_history(request: Request) -> Response:
    """Forget entries: all (``clear``), or some (``delete``)."""
    history = state_of(request).history
    try:
        body = await read_json(request)
        if body.get("clear"):
            history.clear()
        if "delete" in body:
            history.delete([str(each) for each in body["delete"]])
    except (AttributeError, TypeError, ValueError):
        return server_error()
    return Response()


ROUTES = (
    Route("/history", show_history, methods=["GET"]),
    Route("/history", change_history, methods=["POST"]),
    Route("/history/{prompt_id:path}", show_one, methods=["GET"]),
)
