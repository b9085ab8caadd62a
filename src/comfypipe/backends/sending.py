"""Requests of httpx, sent straight through a transport: what its client adds, a server does not need."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx

_PLAIN = re.compile(r"[A-Za-z0-9/._~%?=&+-]*")
"""What a URL holds as it is."""

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "comfypipe"}


class Sender:
    """
    Sends requests to one server.

    Without redirects, authentication by challenge and hooks, which cost as much as the rest of a small request.
    Cookies are kept: a proxy may go by them.

    Args:
        url: Base URL.
        headers: Sent with every request.
        timeout: How long to wait for a connection, and for each piece of what is sent and received.
        transport: Sends them.

    Attributes:
        headers: Those that are sent with every request.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str], timeout: httpx.Timeout, transport: httpx.AsyncBaseTransport
    ) -> None:
        self._url = httpx.URL(url)
        self._base = str(self._url).rstrip("/")
        self._base_path = self._url.raw_path.rstrip(b"/")
        self.headers = httpx.Headers(_HEADERS)
        self.headers.update(headers)
        self._extensions = {"timeout": timeout.as_dict()}
        self._transport = transport
        self._cookies = httpx.Cookies()

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """
        Send a request, and return the answer with its body.

        Args:
            options: As `httpx.Request` takes them: ``content``, ``json``, ``params``, ``files``, …

        Raises:
            httpx.TransportError: There was no answer, or it broke off.
            httpx.DecodingError: Its body is not packed as it says.
        """
        async with self.stream(method, path, **options) as response:
            await response.aread()
        return response

    @asynccontextmanager
    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[httpx.Response]:
        """Send a request, and give the answer before its body; otherwise as `request`."""
        headers = self.headers
        if more := options.pop("headers", None):
            headers = headers.copy()
            headers.update(more)
        if params := options.pop("params", None):
            path = f"{path}?{urlencode(params)}"
        request = self._request(method, path, headers=headers, **options)
        response = await self._transport.handle_async_request(request)
        response.request = request
        try:
            if "set-cookie" in response.headers:
                self._cookies.extract_cookies(response)
            yield response
        finally:
            await response.aclose()

    def _request(self, method: str, path: str, **options: Any) -> httpx.Request:
        if not self._cookies and _PLAIN.fullmatch(path):  # taking a URL apart costs more than all else of a request
            extensions = {**self._extensions, "target": self._base_path + path.encode("ascii")}
            return httpx.Request(method, self._url, extensions=extensions, **options)
        request = httpx.Request(method, f"{self._base}{path}", extensions=self._extensions, **options)
        self._cookies.set_cookie_header(request)
        return request

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()
