"""What the URL of the backend says: where the API answers, and which workflow runs go to."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from comfypipe.errors import UsageError

HOSTED = "https://comfy.icu/api/v1"
"""Where ComfyICU answers."""

_WORKFLOW_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_EXAMPLE = "write comfyicu: for comfy.icu, comfyicu+https://HOST/api/v1 or comfyicu+http://127.0.0.1:PORT/api/v1"


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """
    Where an API answers.

    Attributes:
        shown: The URL of the backend, as it can be given again.
        base: Of all endpoints, without a slash at its end.
        workflow_id: Which workflow runs go to; None where the URL does not say.
    """

    shown: str
    base: str
    workflow_id: str | None = None

    @property
    def hosted(self) -> bool:
        """Whether it is ComfyICU's own."""
        return self.base == HOSTED

    @property
    def origin(self) -> str:
        """Scheme, host and port of the API."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}".lower()


def read_address(url: str) -> ApiAddress:
    """
    Read ``comfyicu:``, ``comfyicu+https://host/api/v1`` or ``comfyicu+http://host:port/api/v1``.

    ``?workflow_id=…`` may follow. A URL without a path has ``/api/v1``.

    Raises:
        UsageError: It is none, holds a key, or would send the key across the internet in the clear.
    """
    scheme, _, rest = url.partition(":")
    kind = scheme.lower().partition("+")[2]
    try:
        parts = urlsplit(f"{kind}:{rest}" if kind else f"{HOSTED}{rest}")
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{scheme}: {error}", hint=_EXAMPLE) from None
    if kind not in ("", "http", "https") or not host or (not kind and rest and not rest.startswith("?")):
        raise UsageError(f"{scheme}: URLs name a host", hint=_EXAMPLE)
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"a key does not belong in a {scheme}: URL", hint="put it into COMFYICU_API_KEY, or name key_env"
        )
    if kind == "http" and _is_public(host):
        raise UsageError(f"{scheme}://{host} would send the key in the clear", hint=f"use comfyicu+https://{host}")
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/api/v1'}"
    workflow_id = _workflow_id(parts.query, scheme)
    query = f"?workflow_id={quote(workflow_id)}" if workflow_id else ""
    return ApiAddress(f"comfyicu+{base}{query}" if kind else f"comfyicu:{query}", base, workflow_id)


def check_workflow_id(text: object) -> str:
    """
    Return an id of a workflow.

    Raises:
        UsageError: It cannot stand in a URL.
    """
    if not isinstance(text, str) or not _WORKFLOW_ID.fullmatch(text):
        raise UsageError(f"{text!r} is no workflow_id", hint="on comfy.icu it stands in the address of the workflow")
    return text


def _workflow_id(query: str, scheme: str) -> str | None:
    given = dict(parse_qsl(query, keep_blank_values=True))
    unknown = given.keys() - {"workflow_id"}
    if unknown:
        raise UsageError(f"{scheme}: URLs take no {', '.join(sorted(unknown))}", hint="they take ?workflow_id=…")
    return check_workflow_id(given["workflow_id"]) if given else None


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False
