"""Connections under guard: the address that was checked is the one that is connected to, for every request."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeAlias

import httpcore
import httpx

from comfypipe.downloads.addresses import Address
from comfypipe.downloads.guard import AddressPolicy, addresses_in
from comfypipe.downloads.urls import Location, read_url

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host, as text; raises OSError when it has none."""

_CONNECTIONS = 100
_KEEPALIVE_S = 15.0


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of *host* as the system knows them, best first."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def guarded_transport(
    policy: AddressPolicy, *, resolver: Resolver = resolve, ssl_context: ssl.SSLContext | None = None
) -> httpx.AsyncBaseTransport:
    """
    Return a transport that connects only where *policy* lets it.

    Requests elsewhere raise `DownloadRefused`, before anything is connected to.

    Args:
        resolver: Gives the addresses of a name, once for each connection.
        ssl_context: How certificates are checked, where not as browsers do.
    """
    return _GuardedTransport(policy, resolver, ssl_context)


def guarded_client(policy: AddressPolicy, *, resolver: Resolver = resolve, **options: Any) -> httpx.AsyncClient:
    """
    Return a client that connects only where *policy* lets it.

    It follows no redirect, keeps no cookies and reads no environment.

    Args:
        options: Of ``httpx.AsyncClient``: ``timeout``, ``headers``, …; ``verify`` may be an ``ssl.SSLContext``.
    """
    context = options.pop("verify", None)
    transport = guarded_transport(policy, resolver=resolver, ssl_context=context)
    client = httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, **options)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))  # one asker's cookies are not another's
    return client


class _GuardedTransport(httpx.AsyncBaseTransport):
    def __init__(self, policy: AddressPolicy, resolver: Resolver, context: ssl.SSLContext | None) -> None:
        self._policy = policy
        self._resolver = resolver
        self._context = context
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        location = self._policy.check_url(str(request.url))
        with _as_httpx():
            reply = await self._pool(location).handle_async_request(_core_request(request, location))
        return httpx.Response(
            reply.status, headers=reply.headers, stream=_Body(reply.stream), extensions=reply.extensions
        )

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    def _pool(self, location: Location) -> httpcore.AsyncConnectionPool:
        """Return the connections of an allowed origin, or those of all others: neither are used for the other."""
        allowed = self._policy.allows(location)
        key = location.origin if allowed else location.scheme
        if key not in self._pools:
            if self._context is None and location.scheme == "https":  # takes a while to make
                self._context = httpx.create_ssl_context(trust_env=False)
            policy = self._policy if allowed else AddressPolicy()
            self._pools[key] = httpcore.AsyncConnectionPool(
                ssl_context=self._context,
                max_connections=_CONNECTIONS,
                keepalive_expiry=_KEEPALIVE_S,
                network_backend=_GuardedNetwork(policy, self._resolver, location.scheme),
            )
        return self._pools[key]


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    """
    Connects to addresses that were checked: names are resolved here, once, and by nobody after it.

    Args:
        policy: With the exceptions that hold for what it serves.
        scheme: Of all URLs that it serves.
    """

    def __init__(self, policy: AddressPolicy, resolver: Resolver, scheme: str) -> None:
        self._policy = policy
        self._resolver = resolver
        self._scheme = scheme
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        deadline = None if timeout is None else time.monotonic() + timeout
        addresses = await self._addresses(host, port, deadline_s=timeout)
        for index, address in enumerate(addresses):
            last = index == len(addresses) - 1
            left = None if deadline is None else max(0.1, (deadline - time.monotonic()) / (len(addresses) - index))
            try:
                return await self._network.connect_tcp(str(address), port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109, ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError(f"{path} is no host")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int, deadline_s: float | None) -> tuple[Address, ...]:
        shown = f"[{host}]" if ":" in host else host
        location = read_url(f"{self._scheme}://{shown}:{port}/")
        if location.address is not None:
            return self._policy.check_addresses(location, [location.address])
        try:
            async with asyncio.timeout(deadline_s):
                texts = await self._resolver(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"the addresses of {host} were not found in time") from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host} has no address: {error.strerror or error}") from error
        return self._policy.check_addresses(location, addresses_in(texts))


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._stream:
                yield part

    async def aclose(self) -> None:
        with _as_httpx():
            await self._stream.aclose()


def _core_request(request: httpx.Request, location: Location) -> httpcore.Request:
    url = location.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Raise the errors of httpx in place of those of httpcore, which have the same names."""
    try:
        yield
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        kinds = (getattr(httpx, kind.__name__, None) for kind in type(error).__mro__)
        found = next(kind for kind in kinds if kind is not None and issubclass(kind, httpx.TransportError))
        raise found(str(error)) from error
    except httpcore.UnsupportedProtocol as error:
        raise httpx.UnsupportedProtocol(str(error)) from error
