"""Prompts that the backend would refuse, refused before they are stored: for clients that ask for it."""

import asyncio

from msgspec.structs import replace

from comfypipe.errors import PromptInvalid
from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.prompt.validate import validate
from comfypipe.prompt.validation import NodeError
from comfypipe.service.errors import Problem
from comfypipe.service.requests import RunRequest
from comfypipe.service.state import Parts

_NOT_OFFERED = "value_not_in_list"


async def refuse_invalid(parts: Parts, request: RunRequest) -> None:
    """
    Refuse a prompt that cannot run on the backend, where the client wants it checked.

    Files that come with the run count as there.

    Raises:
        Problem: It cannot run: 422, with ComfyUI's error and its errors by node.
    """
    if not request.validate or request.prompt is None:
        return
    info = await parts.backends.get(parts.settings.backend).object_info()
    if info is None:
        return
    try:
        await asyncio.to_thread(_check, request, info)
    except PromptInvalid as error:
        found = [each.to_json() for each in error.diagnostics]
        raise Problem(
            422, "invalid-prompt", error.message, details=error.error, node_errors=error.node_errors, diagnostics=found
        ) from None


def _check(request: RunRequest, info: ObjectInfo) -> None:
    found = validate(PromptGraph.parse(request.prompt), info)
    brought = {_shown(place) for place in request.files}
    errors = tuple(each for each in found.errors if not _is_brought(each, brought))
    if len(errors) < len(found.errors):
        found = replace(found, errors=errors, error=None)
    found.raise_if_invalid()


def _is_brought(error: NodeError, brought: set[str]) -> bool:
    received = error.extra_info.get("received_value")
    return error.type == _NOT_OFFERED and isinstance(received, str) and received.replace("\\", "/") in brought


def _shown(place: str) -> str:
    """Return what nodes call a file: below its folder, ``input`` or ``models/loras``."""
    return place.split("/", 2)[-1] if place.startswith("models/") else place.partition("/")[2]
