"""``/prompt``: submit one, or ask how many there are."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.server.access import read_json, settled_state_of, state_of
from comfypipe.engine.server.encoding import JSONReply, server_error
from comfypipe.engine.server.state import Refused, ServerState
from comfypipe.errors import PromptInvalid

_NO_PROMPT: JSONObject = {
    "type": "no_prompt",
    "message": "No prompt provided",
    "details": "No prompt provided",
    "extra_info": {},
}

_SMALL_BYTES = 8 * 1024
"""A prompt of this size is checked in less time than it takes to have a thread do it."""


async def count_prompts(request: Request) -> Response:
    """Return how many prompts wait or run."""
    return JSONReply((await settled_state_of(request)).status())


async def submit_prompt(request: Request) -> Response:
    """Check a prompt and queue it; 400 with ComfyUI's errors where nothing in it can run."""
    state = state_of(request)
    try:
        body = await read_json(request)
        if "prompt" not in body:
            return _refusal(_NO_PROMPT, {})
        number = state.next_number(body)
        if len(await request.body()) <= _SMALL_BYTES and not state.engine.looks_outside(body["prompt"]):
            return _submit(state, body, number)
        return await state.checks.do(partial(_submit, state, body, number))
    except (TypeError, ValueError):
        return server_error()


def _submit(state: ServerState, body: JSON, number: float) -> Response:
    try:
        result = state.submit(body, number)
    except PromptInvalid as error:
        return _refusal(error.error, error.node_errors)
    if isinstance(result, Refused):
        return _refusal(result.error, result.node_errors)
    return JSONReply({"prompt_id": result.prompt_id, "number": result.number, "node_errors": result.node_errors})


def _refusal(error: JSONObject, node_errors: JSONObject) -> Response:
    return JSONReply({"error": error, "node_errors": node_errors}, 400)


ROUTES = (Route("/prompt", count_prompts, methods=["GET"]), Route("/prompt", submit_prompt, methods=["POST"]))
