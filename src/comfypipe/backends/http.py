"""Requests to a server, where whatever goes wrong is one of our errors, and says what to do."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import Any

import httpx

from comfypipe._types import JSON
from comfypipe.errors import (
    AuthenticationFailed,
    BackendError,
    BackendRejected,
    BackendUnavailable,
    ProtocolMismatch,
)

_OVERLOADED = (429, 502, 503, 504)
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What a server answered.

    Attributes:
        body: Its JSON; None for an empty one.
    """

    status: int
    body: JSON


class HttpServer:
    """
    One server.

    Args:
        url: Base URL, without credentials.
        auth: User name and password, where the server wants them.
        transport: Takes the place of the network, for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        auth: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        # Proxies of the environment are for the internet, not for a server that was named.
        self._client = httpx.AsyncClient(
            base_url=self.url,
            auth=auth,
            headers=dict(headers or {}),
            timeout=_TIMEOUT,
            transport=transport,
            trust_env=False,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def request(self, method: str, path: str, **options: Any) -> Reply:
        """
        Send a request and return the answer, of whatever status below 500.

        Raises:
            BackendUnavailable: It cannot be reached, broke off, or is overloaded.
            AuthenticationFailed: It wants other credentials.
            ProtocolMismatch: What it answers is no JSON.
        """
        try:
            response = await self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise self.unreachable(error) from error
        self._refuse(response.status_code, f"{method} {path}")
        return Reply(response.status_code, self._json(response, f"{method} {path}"))

    async def download(self, path: str, params: Mapping[str, str], destination: Path) -> bool:
        """
        Write the body of a GET to *destination*: whole, or not at all; False when the server has no such thing.

        Raises:
            BackendUnavailable: It cannot be reached, or broke off.
            BackendRejected: It refuses.
            BackendError: There is no room for it.
        """
        partial = destination.parent / f".partial-{secrets.token_hex(8)}"
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            async with self._client.stream("GET", path, params=dict(params)) as response:
                self._refuse(response.status_code, f"GET {path}")
                if response.status_code == httpx.codes.NOT_FOUND:
                    return False
                if response.status_code != httpx.codes.OK:
                    raise BackendRejected(f"{self.url} answers HTTP {response.status_code} to GET {path}")
                with partial.open("wb") as file:
                    async for chunk in response.aiter_bytes(1 << 20):
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
            partial.replace(destination)
        except httpx.TransportError as error:
            raise self.unreachable(error) from error
        except OSError as error:
            if error.errno in (ENOSPC, EDQUOT, EFBIG):
                raise BackendError(
                    f"no room for {destination}: {error.strerror}", hint="free some room on that disk"
                ) from error
            raise
        finally:
            partial.unlink(missing_ok=True)
        return True

    def unreachable(self, error: httpx.TransportError) -> BackendUnavailable:
        """Return what a broken or missing connection means."""
        words = str(error) or type(error).__name__
        if "CERTIFICATE" in words.upper() or "SSL" in words.upper():
            hint = "its certificate is not trusted, or it speaks plain http: look at the URL's scheme"
        elif isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            hint = "is it running, and is this its address and port?"
        else:
            hint = "it may be overloaded or restarting"
        return BackendUnavailable(f"{self.url} cannot be reached: {words}", hint=hint)

    def _refuse(self, status: int, request: str) -> None:
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise AuthenticationFailed(
                f"{self.url} answers HTTP {status} to {request}",
                hint="it wants other credentials, or refuses this client",
            )
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            raise BackendRejected(
                f"{self.url} takes no body of this size ({request})", hint="servers take 100 MiB unless told otherwise"
            )
        if status in _OVERLOADED or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise BackendUnavailable(
                f"{self.url} answers HTTP {status} to {request}", hint="it, or a proxy before it, is in trouble"
            )

    def _json(self, response: httpx.Response, request: str) -> JSON:
        if not response.content.strip():
            return None
        try:
            return response.json()
        except ValueError as error:
            if response.status_code >= httpx.codes.BAD_REQUEST:
                return None
            kind = response.headers.get("content-type", "no type")
            raise ProtocolMismatch(
                f"{self.url} answers {request} with {kind}, not with JSON", hint="does something else listen there?"
            ) from error
