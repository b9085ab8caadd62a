"""What the API answers when something is wrong: ``{"error": "<kind>", "message": "<text>", …}``."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from comfypipe.jsontext import to_text


class Problem(Exception):
    """
    A request that is answered with an error.

    Raise it anywhere below a route; the application turns it into a response.

    Attributes:
        status: HTTP status.
        kind: Stable kebab-case name of the kind of error: the body's ``error``.
        message: What is wrong, for people: the body's ``message``.
        extra: Further keys of the body.
        headers: Further headers, such as ``Retry-After``.
    """

    def __init__(
        self, status: int, kind: str, message: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.headers = dict(headers or {})
        self.extra = extra

    def response(self) -> Response:
        """Return the response that tells it."""
        return problem(self.status, self.kind, self.message, headers=self.headers, **self.extra)


def problem(
    status: int, kind: str, message: str, *, headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    """
    Return an error in the API's own shape.

    Args:
        kind: Stable kebab-case name: the body's ``error``.
        message: What is wrong: the body's ``message``.
        extra: Further keys of the body, such as ``diagnostics``.
    """
    body = to_text({"error": kind, "message": message, **extra})
    return Response(body.encode(), status, dict(headers or {}), media_type="application/json")


def unknown(what: str) -> Problem:
    """Return the answer for an id that is nobody's, or another tenant's: nobody can tell which."""
    return Problem(404, "not-found", f"there is no such {what}")
