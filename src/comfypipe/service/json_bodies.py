"""Bodies of JSON, as routes read them."""

from starlette.requests import Request

from comfypipe._types import JSONObject
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
