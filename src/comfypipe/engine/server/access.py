"""The server's state, as routes reach it, and bodies that they read."""

import json
from typing import Any

from starlette.requests import HTTPConnection, Request

from comfypipe._types import JSON
from comfypipe.engine.server.state import ServerState


def state_of(connection: HTTPConnection) -> ServerState:
    """Return the state of the server that got this request."""
    state: ServerState = connection.app.state.server
    return state


async def settled_state_of(connection: HTTPConnection) -> ServerState:
    """Return the state, with every prompt in it that was posted before."""
    state = state_of(connection)
    await state.checks.settled()
    return state


async def read_json(request: Request) -> JSON:
    """
    Return the body, read as JSON whatever its content type says; NaN and Infinity are read as ComfyUI reads them.

    Raises:
        ValueError: It is none.
    """
    body: Any = json.loads(await request.body())
    return body
