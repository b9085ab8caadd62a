"""``/comfypipe``: what a test asks of a server that plays faults. Only there where it does."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe.engine.server.access import read_json
from comfypipe.engine.server.encoding import JSONReply
from comfypipe.engine.server.faults.faults import Faults
from comfypipe.errors import UsageError


async def executions(request: Request) -> Response:
    """Return what was executed, and how often; with the prompts where ``prompts`` is 1."""
    prompts = request.query_params.get("prompts") == "1"
    return JSONReply(_faults(request).executions.to_json(prompts=prompts))


async def show_faults(request: Request) -> Response:
    """Return the faults that are played, and how often they were."""
    return JSONReply(_faults(request).to_json())


async def change_faults(request: Request) -> Response:
    """Play other faults from now on: ``{"add": ["lost-reply=once"], "clear": true}``; clearing comes first."""
    faults = _faults(request)
    try:
        body: Any = await read_json(request)
        added = [str(each) for each in body.get("add", [])]
        if body.get("clear"):
            faults.clear()
        faults.add(*added)
    except (AttributeError, TypeError, ValueError) as error:
        return JSONReply({"error": f"not what this takes: {error}"}, 400)
    except UsageError as error:
        return JSONReply({"error": error.message, "hint": error.hint}, 400)
    return JSONReply(faults.to_json())


async def restart(request: Request) -> Response:
    """Forget queue, history and temporary files, and break the sockets off, as a restart does."""
    request.app.state.restart(int(request.query_params.get("down_ms", "0")))
    return Response()


def _faults(request: Request) -> Faults:
    faults: Faults = request.app.state.faults
    return faults


ROUTES = (
    Route("/comfypipe/executions", executions, methods=["GET"]),
    Route("/comfypipe/faults", show_faults, methods=["GET"]),
    Route("/comfypipe/faults", change_faults, methods=["POST"]),
    Route("/comfypipe/restart", restart, methods=["POST"]),
)
