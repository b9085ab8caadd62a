"""One attempt: a POST that ends in time, follows nothing, and goes only where it may."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx

from comfypipe.backends.http import retry_after_s
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.transport import guarded_client
from comfypipe.errors import DownloadRefused

TIMEOUT_S = 15.0

_BROKEN_OFF = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
_DRAINED_BYTES = 64 * 1024
_CLIENTS = 128


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came of an attempt.

    Attributes:
        status: HTTP status; None when there was no answer.
        error: Why it does not count; None when it does.
        retry_after_s: How long the receiver asks us to wait.
        refused: The URL must not be asked for, and never will be.
    """

    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None
    refused: bool = False

    @property
    def delivered(self) -> bool:
        """Whether the receiver has taken it."""
        return self.error is None


class Sender:
    """
    Sends, over connections that lie ready for a while.

    Every lane (a tenant and an origin) has connections of its own, so that none waits for those of another.

    Args:
        policy: Where connections may go.
        timeout_s: For a whole attempt, from looking up the host's address to the last byte of the answer.
    """

    def __init__(self, policy: AddressPolicy, timeout_s: float = TIMEOUT_S) -> None:
        self._policy = policy
        self._timeout_s = timeout_s
        self._certificates = httpx.create_ssl_context(trust_env=False)
        self._clients: OrderedDict[tuple[str, str], httpx.AsyncClient] = OrderedDict()
        self._in_use: dict[tuple[str, str], int] = {}
        self._agent = f"comfypipe/{version('comfypipe')}"

    async def send(self, lane: tuple[str, str], url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST *body*, and return what came of it."""
        self._in_use[lane] = self._in_use.get(lane, 0) + 1
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(self._client(lane), url, headers, body)
        except TimeoutError:
            return Answer(error=f"no answer within {self._timeout_s:.0f} s")
        except (DownloadRefused, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            return Answer(error=f"refused: {error.args[0]}", refused=True)
        except httpx.HTTPError as error:
            return Answer(error=f"no answer: {type(error).__name__}")
        finally:
            self._in_use[lane] -= 1
            await self._tidy(lane)

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def _post(self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        opened: list[str] = []

        async def trace(event: str, _info: object) -> None:
            if event.endswith("connect_tcp.started"):
                opened.append(event)

        try:
            return await _post(client, url, headers, body, {"trace": trace})
        except _BROKEN_OFF:
            if opened:
                raise
        # A connection that had lain ready was closed meanwhile: that says nothing about the receiver.
        return await _post(client, url, headers, body, {})

    def _client(self, lane: tuple[str, str]) -> httpx.AsyncClient:
        if lane not in self._clients:
            headers = {"Content-Type": "application/json", "User-Agent": self._agent, "Accept": "*/*"}
            self._clients[lane] = guarded_client(
                self._policy, verify=self._certificates, timeout=self._timeout_s, headers=headers
            )
        self._clients.move_to_end(lane)
        return self._clients[lane]

    async def _tidy(self, lane: tuple[str, str]) -> None:
        """Close the connections of lanes that nothing has gone along for longest."""
        if self._in_use[lane] == 0:
            del self._in_use[lane]
        idle = [each for each in self._clients if each not in self._in_use]
        for each in idle[: max(0, len(self._clients) - _CLIENTS)]:
            await self._clients.pop(each).aclose()


async def _post(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes, extensions: dict[str, Any]
) -> Answer:
    async with client.stream("POST", url, content=body, headers=dict(headers), extensions=extensions) as response:
        drained = 0
        async for part in response.aiter_raw():  # so that the connection can be used again; nobody reads it
            drained += len(part)
            if drained > _DRAINED_BYTES:
                break
    if response.is_success:
        return Answer(response.status_code)
    said = "a redirect, which is not followed" if response.is_redirect else response.reason_phrase
    error = f"it answered {response.status_code} {said}".strip()
    return Answer(response.status_code, error, _retry_after_s(response))


def _retry_after_s(response: httpx.Response) -> float | None:
    seconds = retry_after_s(response)
    return seconds if seconds is not None and math.isfinite(seconds) and seconds > 0 else None
