"""Requests to a server, where whatever goes wrong is one of our errors, and says what to do."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from comfypipe._types import JSON
from comfypipe.backends._files import new_file
from comfypipe.backends.connections import ServerTransport
from comfypipe.backends.greeting import greeting
from comfypipe.backends.receiving import Receiving
from comfypipe.backends.sending import Sender
from comfypipe.errors import (
    AuthenticationFailed,
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ProtocolMismatch,
    UsageError,
)
from comfypipe.jsontext import from_text

MAX_OUTPUT_BYTES = 64 << 30
"""How large a file a server may send, where nothing else is said."""

_OVERLOADED = (429, 502, 503, 504)
_BROKEN_OFF = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""What a connection that was there ends with; to ask again makes sense at once, unlike after a time-out."""

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_IDLE_S = 4.0  # servers close connections that were idle for 5 s and more: ours are closed before
_TRIES = 4
_LONGEST_DELAY_S = 30.0
"""When a server asks to be left alone for longer, the caller is told rather than kept waiting."""


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What a server answered.

    Attributes:
        body: Its JSON; None for an empty one.
        retry_after_s: How long it asks to be left alone, where it says so.
    """

    status: int
    body: JSON
    retry_after_s: float | None = None


class HttpServer:
    """
    One server.

    Requests that may be repeated are, a few times, when the connection breaks off or a proxy or the server says that it
    is overloaded; ``Retry-After`` is honoured.

    Args:
        url: Base URL, without credentials.
        tls: What certificates are trusted; those of public authorities where nothing is said.
        max_output_bytes: How large a file may be.
        first_delay_s: Before a request is repeated for the first time; each further time it is twice as long.
        transport: Takes the place of the network, for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
        first_delay_s: float = 0.2,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._max_output_bytes = max_output_bytes
        self._first_delay_s = first_delay_s
        self._spoke = False
        # Proxies of the environment are for the internet, not for a server that was named.
        transport = transport or ServerTransport(tls=tls, idle_s=_IDLE_S)
        self._client = Sender(self.url, headers=headers or {}, timeout=_TIMEOUT, transport=transport)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def request(
        self, method: str, path: str, *, repeatable: bool = False, allowed: tuple[int, ...] = (), **options: Any
    ) -> Reply:
        """
        Send a request and return the answer, of whatever status below 500.

        Args:
            repeatable: It may be sent several times without harm; every GET may.
            allowed: Statuses that are an answer rather than an error.

        Raises:
            BackendUnavailable: It cannot be reached, broke off, or is overloaded.
            AuthenticationFailed: It wants other credentials.
            ProtocolMismatch: What it answers is no JSON, or no HTTP.
        """
        asked = f"{method} {path}"
        tries = self._tries(_TRIES if repeatable or method == "GET" else 1)
        while True:
            try:
                response = await self._client.request(method, path, **options)
            except (httpx.TransportError, httpx.DecodingError) as error:
                await self._after_break(tries, error)
            else:
                self._spoke = True
                if response.status_code in allowed or not await self._is_overloaded(tries, response):
                    if response.status_code not in allowed:
                        self._refuse(response, asked)
                    return Reply(
                        response.status_code,
                        json_of(response, self.url, asked, "does something else listen there?"),
                        retry_after_s(response),
                    )

    async def download(self, path: str, params: Mapping[str, str], destination: Path) -> bool:
        """
        Write the body of a GET to *destination*, a new file; False when the server has no such thing.

        It is written as it comes, and removed when this raises. When the connection breaks off, what is missing is
        asked for. Whoever needs it to outlast a loss of power has to have it written through.

        Raises:
            BackendUnavailable: It cannot be reached, or broke off.
            BackendRejected: It refuses, or the file is larger than it may be.
            BackendError: There is no room for it.
        """
        with new_file(destination) as file:
            receiving = Receiving(file, self._max_output_bytes)
            tries = self._tries(_TRIES)
            while not receiving.whole:
                before = receiving.received
                try:
                    async with self._streamed(path, params, receiving, tries) as response:
                        if response is None:
                            continue
                        if response.status_code == httpx.codes.NOT_FOUND:
                            destination.unlink()  # noqa: ASYNC240  an empty file
                            return False
                        await self._receive(receiving, response, f"GET {path}")
                except (httpx.TransportError, httpx.DecodingError) as error:
                    if receiving.received > before:
                        tries = self._tries(_TRIES)  # it gets on
                    await self._after_break(tries, error)
        return True

    def _tries(self, number: int) -> "_Tries":
        return _Tries(number, self._first_delay_s)

    @asynccontextmanager
    async def _streamed(
        self, path: str, params: Mapping[str, str], receiving: Receiving, tries: "_Tries"
    ) -> AsyncIterator[httpx.Response | None]:
        """Give the answer to a request for what is missing; None when it is worth asking again."""
        async with self._client.stream("GET", path, params=dict(params), headers=receiving.headers()) as response:
            yield None if await self._is_overloaded(tries, response) else response

    async def _receive(self, receiving: Receiving, response: httpx.Response, asked: str) -> None:
        self._refuse(response, asked)
        if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise BackendRejected(f"{self.url} answers HTTP {response.status_code} to {asked}")
        if not await receiving.take(response):
            limit = f"{self._max_output_bytes / 1e9:g} GB"
            raise BackendRejected(
                f"{self.url} sends a file larger than {limit}",
                hint="raise max_output_bytes in the backend's settings if it is to be that large",
            )

    async def _after_break(self, tries: "_Tries", error: httpx.TransportError | httpx.DecodingError) -> None:
        """
        Wait a little before the request is sent again.

        Raises:
            BackendError: It is not, and why.
        """
        if isinstance(error, _BROKEN_OFF) and not _is_no_http(error):
            if await tries.another():
                return
            if not self._spoke and (words := await greeting(self.url)) is not None:
                raise self._no_http(f'it says "{words}"') from error
        raise self._meaning(error) from error

    async def _is_overloaded(self, tries: "_Tries", response: httpx.Response) -> bool:
        """Whether the request is to be sent again, as the server, or a proxy, has asked for; waits before."""
        return response.status_code in _OVERLOADED and await tries.another(retry_after_s(response))

    def _meaning(self, error: httpx.TransportError | httpx.DecodingError) -> BackendError | UsageError:
        words = str(error)
        if isinstance(error, httpx.LocalProtocolError):
            return UsageError(f"no request can be sent to {self.url}: {words}", hint="look at the backend's headers")
        if isinstance(error, httpx.DecodingError) or _is_no_http(error):
            return self._no_http(words)
        return self.unreachable(error)

    def _no_http(self, words: str) -> ProtocolMismatch:
        return ProtocolMismatch(
            f"what listens at {self.url} does not speak HTTP: {words}",
            hint="is this the right port? https servers need https://",
        )

    def unreachable(self, error: httpx.TransportError) -> BackendUnavailable:
        """Return what a broken or missing connection means."""
        words = str(error) or type(error).__name__
        if "CERTIFICATE" in words.upper():
            hint = "its certificate is not trusted: name the file of its authority as ca_file in the backend's settings"
        elif "SSL" in words.upper():
            hint = "does it speak plain http? Look at the URL's scheme"
        elif isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            hint = "is it running, and is this its address and port?"
        else:
            hint = "it may be overloaded or restarting"
        down = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and "SSL" not in words.upper()
        return BackendUnavailable(f"{self.url} cannot be reached: {words}", hint=hint, down=down)

    def _refuse(self, response: httpx.Response, asked: str) -> None:
        status = response.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise AuthenticationFailed(
                f"{self.url} answers HTTP {status} to {asked}",
                hint="it wants other credentials, or refuses this client",
            )
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            raise BackendRejected(
                f"{self.url} takes no body of this size ({asked})", hint="servers take 100 MiB unless told otherwise"
            )
        if status in _OVERLOADED or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise BackendUnavailable(
                f"{self.url} answers HTTP {status} to {asked}",
                hint="it, or a proxy before it, is in trouble",
                retry_after_s=retry_after_s(response),
            )


def json_of(response: httpx.Response, url: str, asked: str, hint: str) -> JSON:
    """
    Return the JSON that a reply holds; None for an empty one, and for an error's body that is something else.

    Args:
        url: Who answers.
        asked: What was asked, as messages say it.
        hint: What to do about a reply that is no JSON.

    Raises:
        ProtocolMismatch: It holds none.
    """
    if not response.content.strip():
        return None
    try:
        return from_text(response.content)
    except (ValueError, RecursionError) as error:
        if response.status_code >= httpx.codes.BAD_REQUEST:
            return None
        kind = response.headers.get("content-type", "no type")
        raise ProtocolMismatch(f"{url} answers {asked} with {kind}, not with JSON", hint=hint) from error


class _Tries:
    """How often a request may be sent, and how long to wait in between."""

    def __init__(self, tries: int, first_delay_s: float) -> None:
        self._left = tries - 1
        self._delay_s = first_delay_s

    async def another(self, wait_s: float | None = None) -> bool:
        """Wait before the next one, for *wait_s* at least; False when there is to be none."""
        delay_s = max(self._delay_s, wait_s or 0.0)
        if self._left < 1 or delay_s > _LONGEST_DELAY_S:
            return False
        self._left -= 1
        self._delay_s *= 2
        await asyncio.sleep(delay_s)
        return True


def retry_after_s(response: httpx.Response) -> float | None:
    """Return how long a server asks to be left alone, in seconds: a number of them, or a date."""
    said = response.headers.get("retry-after", "").strip()
    if not said:
        return None
    if said.isdecimal() and said.isascii():
        return float(said[:9])
    try:
        then = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _is_no_http(error: Exception) -> bool:
    """Whether something answers that is no HTTP server; one that breaks off says nothing of that kind."""
    words = str(error)
    broke_off = "without sending" in words or "incomplete" in words or "disconnected" in words.lower()
    return isinstance(error, httpx.RemoteProtocolError) and not broke_off
