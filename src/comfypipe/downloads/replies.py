"""What a server's reply says of the file: its length, its validators, or why it is not given. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from msgspec import Struct

from comfypipe.downloads.credentials import missing_key
from comfypipe.downloads.urls import read_url, redacted
from comfypipe.errors import ComfypipeError, DownloadFailed, DownloadMissing

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Validators(Struct, frozen=True):
    """By what a server tells whether a file has changed."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What asks for the file only if it has changed."""
        found = {"if-none-match": self.etag, "if-modified-since": None if self.etag else self.last_modified}
        return {name: value for name, value in found.items() if value}

    @property
    def strong_etag(self) -> str | None:
        """The ETag, when it stands for every byte."""
        return self.etag if self.etag and re.fullmatch(r'"[\x21\x23-\x7e]*"', self.etag) else None


class Interrupted(Exception):
    """
    A try ended in a way that is worth another.

    Attributes:
        wait_s: How long the server asks to wait.
    """

    def __init__(self, problem: str, wait_s: float | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.wait_s = wait_s


def validators_of(response: httpx.Response) -> Validators:
    """Return what tells this state of the file from others."""
    return Validators(response.headers.get("etag"), response.headers.get("last-modified"))


def total_bytes(response: httpx.Response, have_bytes: int) -> int | None:
    """
    Return how long the whole file is, by a reply 200 or 206; None when it does not say.

    Raises:
        Interrupted: A reply 206 is not the part that was asked for.
    """
    declared = response.headers.get("content-length", "")
    length = int(declared) if declared.isdigit() else None
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return length
    found = _RANGE.fullmatch(response.headers.get("content-range", "").strip().lower())
    if found is None or int(found[1]) != have_bytes:
        raise Interrupted("it answered with another part than was asked for")
    return None if found[3] == "*" else int(found[3])


def end_of(response: httpx.Response) -> int | None:
    """Return where the file ends, by a reply that says that there is nothing beyond what we have; else None."""
    if response.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        return None
    found = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("content-range", "").strip().lower())
    return int(found[1]) if found else None


def ends_visibly(response: httpx.Response) -> bool:
    """Whether a body that was cut off can be told from a whole one."""
    return "content-length" in response.headers or "chunked" in response.headers.get("transfer-encoding", "").lower()


def refuse_encoded(response: httpx.Response) -> None:
    """
    Refuse a body that is not the file itself.

    Raises:
        DownloadMissing: It is compressed, though that was not asked for.
    """
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", ""):
        raise DownloadMissing(f"{_shown(response)} is sent as {encoding[:20]}, though the plain file was asked for")


def refusal(response: httpx.Response, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Exception:
    """Return what a reply without a file means: `Interrupted` when another try may bring it."""
    status = response.status_code
    if status in _PASSING:
        return Interrupted(f"it answers HTTP {status}", _wait_s(response.headers.get("retry-after", ""), now))
    return _missing(response, status)


def failed(shown: str, problem: str, have_bytes: int, total: int | None) -> DownloadFailed:
    """Return the error of a transfer that broke off for good."""
    of = f" of {total / 1e6:.1f}" if total else ""
    return DownloadFailed(
        f"{shown} broke off after {have_bytes / 1e6:.1f}{of} MB: {problem}",
        hint="try again: where the server allows it, the download goes on where it was",
    )


def _missing(response: httpx.Response, status: int) -> ComfypipeError:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        name = missing_key(read_url(str(response.request.url)))
        sent = "authorization" in response.request.headers
        hint = "its server wants a key that may read it, or gives it to nobody"
        if name is not None:
            hint = f"the key in {name} may not read it" if sent else f"set {name} to a key that may read it"
        return DownloadMissing(f"{_shown(response)} is not given to us: HTTP {status}", hint=hint)
    return DownloadMissing(f"{_shown(response)} is not there: HTTP {status}", hint="look at the URL")


def _shown(response: httpx.Response) -> str:
    return redacted(str(response.request.url))


def _wait_s(text: str, now: Callable[[], datetime]) -> float | None:
    if text.strip().isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - now()).total_seconds())
