"""JSON as it goes over the wire: fast where that is possible, and whatever Python can write where it is not."""

import json
from typing import Any

import orjson
from starlette.responses import Response


def encode(value: Any) -> bytes:
    """Return JSON text. What no JSON can hold (a node's odd output) is written as its ``str``."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, an integer of more than 64 bits, an object
        return json.dumps(value, default=str).encode()


class JSONReply(Response):
    """A JSON reply."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode the body. NaN becomes null: ComfyUI writes it as it is, which strict clients cannot read."""
        return encode(content)


def server_error() -> Response:
    """Return what ComfyUI answers to a body that it cannot make sense of."""
    return Response("500 Internal Server Error\n\nServer got itself in trouble", 500, media_type="text/plain")
