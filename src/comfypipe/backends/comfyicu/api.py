"""Requests to the API: with the key, again where that is safe, and never twice where it is not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx

from comfypipe._types import JSONObject
from comfypipe.backends.comfyicu.failures import words_of
from comfypipe.backends.comfyicu.timing import ApiTiming
from comfypipe.backends.http import Reply, json_of, retry_after_s
from comfypipe.errors import (
    AuthenticationFailed,
    BackendError,
    BackendUnavailable,
    ProtocolMismatch,
    SubmissionUnknown,
    UsageError,
)

_REFUSED_KEY = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
_JSON = {"Content-Type": "application/json"}
_NOT_THERE = "is this the base URL of a runs API, and does it run?"
_STREAM = httpx.Timeout(90.0, connect=10.0)
_Unreachable: TypeAlias = BackendError | UsageError


class RunsApi:
    """
    One API.

    Args:
        base: URL of all endpoints.
        key: Sent as a bearer token, to this API alone.
        transport: Takes the place of the network, for tests.
    """

    def __init__(
        self,
        base: str,
        key: str | None,
        timing: ApiTiming,
        *,
        agent: str = "comfypipe",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"Accept": "application/json", "User-Agent": agent}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self.url = base
        self._client = httpx.AsyncClient(
            base_url=base,
            headers=headers,
            timeout=httpx.Timeout(30.0, connect=10.0),
            transport=transport,
            limits=httpx.Limits(max_connections=48, max_keepalive_connections=48, keepalive_expiry=4.0),
            trust_env=False,  # the key is for the API alone
        )
        self._timing = timing
        self._heard = False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        """
        Send a GET, again as long as the API is silent or overloaded; the answer has a status below 500.

        Raises:
            BackendUnavailable: It stayed so for ``timing.unreachable_s``.
            AuthenticationFailed: The key is missing, wrong, expired or revoked.
        """
        return await self._patiently("GET", path, params=params)

    async def tell(
        self, method: str, path: str, *, make_content: Callable[[], AsyncIterator[bytes]] | None = None, **options: Any
    ) -> Reply:
        """
        Send a request that may be sent again, as `ask` does.

        Args:
            make_content: Makes the body, for each try anew.
            options: Those of httpx.
        """
        return await self._patiently(method, path, make_content=make_content, **options)

    @asynccontextmanager
    async def streaming(self, path: str) -> AsyncIterator[AsyncIterator[str]]:
        """
        Open a stream of events, and give its lines.

        Raises:
            httpx.HTTPError: There is none, or it broke off.
        """
        headers = {"Accept": "text/event-stream"}
        async with self._client.stream("GET", path, headers=headers, timeout=_STREAM) as response:
            response.raise_for_status()
            yield response.aiter_lines()

    async def create(self, path: str, body: JSONObject, *, idempotency_key: str | None) -> Reply:
        """
        Send a POST that costs money, once: again only where nothing can have come of it, or the key sees to that.

        Raises:
            BackendUnavailable: Nothing was made: it cannot be reached, or has no room.
            SubmissionUnknown: The reply was lost.
            AuthenticationFailed: The key is missing, wrong, expired or revoked.
        """
        headers = _JSON if idempotency_key is None else {**_JSON, "Idempotency-Key": idempotency_key}
        content = json.dumps(body).encode("ascii")  # a prompt may hold lone surrogates, which UTF-8 cannot
        deadline = self._now() + self._timing.unreachable_s
        failures, lost = 0, False
        while True:
            response, error = await self._once("POST", path, content=content, headers=headers, timeout=self._patience)
            lost = lost or _may_have_arrived(response, error)
            if response is not None and not _is_passing(response, idempotency_key):
                return self._reply(response, f"POST {path}")
            failures += 1
            delay_s = self._timing.retry_delay_s(failures, retry_after_s(response) if response is not None else None)
            again = not lost or idempotency_key is not None
            if not again or (error is not None and not lost) or self._now() + delay_s > deadline:
                raise self._given_up(path, response, error, lost=lost)
            await asyncio.sleep(delay_s)

    def _given_up(
        self, path: str, response: httpx.Response | None, error: _Unreachable | None, *, lost: bool
    ) -> _Unreachable:
        reason = error or self._overloaded(response, f"POST {path}")
        if not lost:
            return reason
        unknown = SubmissionUnknown(
            f"the reply to POST {path} was lost: {reason.message}", hint="it may run all the same; it is looked for"
        )
        unknown.__cause__ = reason
        return unknown

    async def _patiently(
        self, method: str, path: str, *, make_content: Callable[[], AsyncIterator[bytes]] | None = None, **options: Any
    ) -> Reply:
        deadline = self._now() + self._timing.unreachable_s
        failures = 0
        while True:
            body = {} if make_content is None else {"content": make_content()}
            response, error = await self._once(method, path, **body, **options)
            if response is not None and not _is_passing(response, None):
                return self._reply(response, f"{method} {path}")
            if error is not None and not (self._heard and isinstance(error, BackendUnavailable)):
                raise error  # nobody has ever answered there, or nobody who speaks HTTP
            failures += 1
            delay_s = self._timing.retry_delay_s(failures, retry_after_s(response) if response is not None else None)
            if self._now() + delay_s > deadline:
                raise error or self._overloaded(response, f"{method} {path}")
            await asyncio.sleep(delay_s)

    async def _once(self, method: str, path: str, **options: Any) -> tuple[httpx.Response | None, _Unreachable | None]:
        try:
            response = await self._client.request(method, path, **options)
        except (httpx.TransportError, httpx.DecodingError) as error:
            unreachable = self._meaning(error)
            unreachable.__cause__ = error
            return None, unreachable
        self._heard = True
        return response, None

    def _reply(self, response: httpx.Response, request: str) -> Reply:
        body = json_of(response, self.url, request, _NOT_THERE)
        if response.status_code in _REFUSED_KEY:
            raise AuthenticationFailed(
                f"{self.url} answers HTTP {response.status_code}: {words_of(body)}",
                hint="is the key (COMFYICU_API_KEY, or what key_env names) right, and still valid?",
            )
        return Reply(response.status_code, body)

    def _meaning(self, error: httpx.TransportError | httpx.DecodingError) -> _Unreachable:
        words = str(error) or type(error).__name__
        if isinstance(error, httpx.LocalProtocolError):
            return UsageError(f"no request can be sent to {self.url}: {words}")
        if isinstance(error, httpx.DecodingError):
            return ProtocolMismatch(f"{self.url} answers with what cannot be unpacked: {words}", hint=_NOT_THERE)
        if "CERTIFICATE" in words.upper() or "SSL" in words.upper():
            return BackendUnavailable(f"{self.url} cannot be trusted: {words}", hint="does it speak https?")
        hint = _NOT_THERE if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else "it may be in trouble"
        return BackendUnavailable(f"{self.url} cannot be reached: {words}", hint=hint)

    def _overloaded(self, response: httpx.Response | None, request: str) -> BackendUnavailable:
        status = response.status_code if response is not None else 0
        hint = "too many requests at once" if status == httpx.codes.TOO_MANY_REQUESTS else "it is in trouble"
        return BackendUnavailable(f"{self.url} answers HTTP {status} to {request}", hint=hint)

    @property
    def _patience(self) -> httpx.Timeout:
        return httpx.Timeout(self._timing.create_s, connect=10.0)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _may_have_arrived(response: httpx.Response | None, error: _Unreachable | None) -> bool:
    if error is not None:
        return not isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return response is not None and response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR


def _is_passing(response: httpx.Response, idempotency_key: str | None) -> bool:
    """Whether the same request may be answered otherwise in a while; 409: the first with this key is in work."""
    if response.status_code == httpx.codes.CONFLICT:
        return idempotency_key is not None
    return response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.status_code >= 500
