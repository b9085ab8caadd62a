"""Bodies of JSON, as routes read and write them."""

from starlette.requests import Request
from starlette.responses import Response

from comfypipe._types import JSON, JSONObject
from comfypipe.jsontext import to_text
from comfypipe.service.errors import Problem
from comfypipe.service.requests import read_body


async def read_json(request: Request) -> JSONObject:
    """
    Return a request's body as the JSON object that it has to be.

    Its type has to be said: a web page of another origin can send plain text to whoever runs it, JSON it cannot.

    Raises:
        Problem: It is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Problem(415, "unsupported-media-type", "the body has to be application/json")
    return read_body(await request.body())


def json_reply(value: JSON, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """Return a response that holds *value*, halves of surrogate pairs included: prompts may have them."""
    return Response(to_text(value).encode(), status, headers, media_type="application/json")
