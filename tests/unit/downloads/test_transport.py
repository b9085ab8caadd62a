"""Connections: whatever a URL, a name or a redirect says, nothing connects to a bad address."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from tests.unit.downloads.addresses import BAD_ADDRESSES, BAD_SPELLINGS
from tests.unit.downloads.canary import Canary, listening
from tests.unit.downloads.conftest import OpenCache
from tests.unit.downloads.file_server import FileServer, Served, serving

from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.credentials import Credentials, Token
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.limits import Limits
from comfypipe.downloads.transport import guarded_client, guarded_transport
from comfypipe.errors import DownloadRefused

NOBODYS = "2fff::1"
"""An address of the public internet that is given to nobody."""

ONCE = Limits(faults=1, connect_s=1.0)


@pytest.fixture
def canary() -> Iterator[Canary]:
    """Run a listener that must not be reached."""
    with listening() as running:
        yield running


def host_of(address: str) -> str:
    """Return an address as URLs write it."""
    return f"[{address}]" if ":" in address else address


async def refused(cache: DownloadCache, url: str) -> None:
    """Ask for a URL, and see it refused."""
    with pytest.raises(DownloadRefused, match="is refused"):
        await cache.get(url)


def test_the_canary_sings(canary: Canary) -> None:
    """The listener notices a connection: without that, its silence would say nothing."""

    async def connect() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(f"http://127.0.0.1:{canary.port}/")

    asyncio.run(connect())
    assert 1 == len(canary.connections)


def test_literal_addresses_are_not_connected_to(canary: Canary, tmp_path: Path) -> None:
    """A URL that names a bad address, or spells one oddly, connects to nothing."""

    async def ask() -> None:
        async with DownloadCache(tmp_path, AddressPolicy(), limits=ONCE) as cache:
            for address in BAD_ADDRESSES:
                await refused(cache, f"http://{host_of(address)}:{canary.port}/x")
            for url in BAD_SPELLINGS:
                await refused(cache, url.replace("/", f":{canary.port}/") if url.count("/") == 1 else url)

    asyncio.run(ask())
    assert [] == canary.connections


def test_names_with_bad_addresses_are_not_connected_to(canary: Canary, tmp_path: Path) -> None:
    """A name that resolves to a bad address, or to several, connects to nothing."""

    async def ask() -> None:
        for number, address in enumerate(BAD_ADDRESSES):

            async def resolver(host: str, port: int, found: str = address) -> Sequence[str]:
                return [found, found]

            async with DownloadCache(tmp_path, AddressPolicy(), limits=ONCE, resolver=resolver) as cache:
                await refused(cache, f"http://name{number}.example:{canary.port}/x")
                await refused(cache, f"https://name{number}.example:{canary.port}/x")

    asyncio.run(ask())
    assert [] == canary.connections


def test_the_systems_own_names_are_not_connected_to(canary: Canary, tmp_path: Path) -> None:
    """A name that the system itself resolves to this machine connects to nothing."""

    async def ask() -> None:
        async with DownloadCache(tmp_path, AddressPolicy(), limits=ONCE) as cache:
            for host in ("localhost", "LOCALHOST", "localhost."):
                await refused(cache, f"http://{host}:{canary.port}/x")

    asyncio.run(ask())
    assert [] == canary.connections


def test_redirects_to_bad_addresses_are_not_followed(canary: Canary, server: FileServer, open_cache: OpenCache) -> None:
    """An allowed server that redirects to a bad address, with whatever status, leads nowhere."""
    statuses = (301, 302, 303, 307, 308)
    for number, address in enumerate(BAD_ADDRESSES):
        target = f"http://{host_of(address)}:{canary.port}/x"
        server.files[f"/{number}"] = Served(status=statuses[number % 5], headers={"location": target})

    async def ask() -> None:
        async with open_cache() as cache:
            for number in range(len(BAD_ADDRESSES)):
                await refused(cache, server.url(f"/{number}"))

    asyncio.run(ask())
    assert ([], len(BAD_ADDRESSES)) == (canary.connections, len(server.requests))


@pytest.mark.parametrize("together", [True, False])
def test_rebinding_finds_nothing(canary: Canary, together: bool) -> None:
    """
    A name with a public and a bad address, at once or one after the other, leads to the first or nowhere.

    What was checked is what is connected to; a later answer is only ever seen by another check.
    """

    async def rebind(number: int, address: str) -> None:
        answers = iter([[NOBODYS, address]] * 2 if together else [[NOBODYS], [address]])

        async def resolver(host: str, port: int) -> Sequence[str]:
            return next(answers)

        async with guarded_client(AddressPolicy(), resolver=resolver, timeout=0.2) as client:
            url = f"http://rebound{number}.example:{canary.port}/x"
            with pytest.raises(httpx.TransportError):
                await client.get(url)
            with pytest.raises(httpx.TransportError if together else DownloadRefused):
                await client.get(url)

    async def ask() -> None:
        await asyncio.gather(*(rebind(number, address) for number, address in enumerate(BAD_ADDRESSES)))

    asyncio.run(ask())
    assert [] == canary.connections


def test_a_checked_address_is_the_one_that_is_connected_to(server: FileServer) -> None:
    """A name is resolved once for a connection; the address of that answer is used, though later ones differ."""
    asked: list[tuple[str, int]] = []
    server.files["/a"] = Served(b"here")

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    async def ask() -> bytes:
        policy = AddressPolicy(frozenset({f"http://files.example:{server.port}"}))
        async with guarded_client(policy, resolver=resolver) as client:
            for _ in range(3):  # over the same connection
                reply = await client.get(f"http://files.example:{server.port}/a")
            return reply.content

    assert b"here" == asyncio.run(ask())
    assert [("files.example", server.port)] == asked
    assert f"files.example:{server.port}" == server.requests[0][1]["host"]


def test_an_exception_for_one_origin_is_none_for_another(server: FileServer) -> None:
    """A connection that an allowed origin made is not used for another origin at the same address."""
    server.files["/a"] = Served(b"here")

    async def resolver(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async def ask() -> None:
        policy = AddressPolicy(frozenset({f"http://good.example:{server.port}"}))
        async with guarded_client(policy, resolver=resolver) as client:
            assert 200 == (await client.get(f"http://good.example:{server.port}/a")).status_code
            with pytest.raises(DownloadRefused):
                await client.get(f"http://bad.example:{server.port}/a")
            with pytest.raises(DownloadRefused):
                await client.get(f"http://127.0.0.1:{server.port}/a", headers={"host": "good.example"})

    asyncio.run(ask())
    assert 1 == len(server.requests)


def test_later_addresses_are_tried(server: FileServer) -> None:
    """When the first address of a host does not answer, the next one is connected to."""
    server.files["/a"] = Served(b"here")

    async def resolver(host: str, port: int) -> Sequence[str]:
        return ["::1", "127.0.0.1"]  # the server listens on IPv4 only

    async def ask() -> int:
        policy = AddressPolicy(frozenset({f"http://files.example:{server.port}"}))
        async with guarded_client(policy, resolver=resolver) as client:
            return (await client.get(f"http://files.example:{server.port}/a")).status_code

    assert 200 == asyncio.run(ask())


def test_the_environment_and_redirects_are_left_alone(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment comes between, no redirect is followed, no cookie is kept."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.files["/a"] = Served(status=302, headers={"location": "/b", "set-cookie": "id=7; Path=/"})

    async def ask() -> tuple[int, int]:
        async with guarded_client(AddressPolicy(frozenset({server.origin}))) as client:
            first = await client.get(server.url("/a"))
            await client.get(server.url("/a"))
            return first.status_code, len(client.cookies)

    assert (302, 0) == asyncio.run(ask())
    assert "cookie" not in server.requests[1][1]


def test_the_transport_serves_other_clients(server: FileServer) -> None:
    """A client of one's own, with the guarded transport, posts where it may, and nowhere else."""

    async def ask() -> None:
        transport = guarded_transport(AddressPolicy())
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            with pytest.raises(DownloadRefused):
                await client.post(server.url("/hook"), json={"a": 1})

    asyncio.run(ask())
    assert [] == server.requests


def test_redirects_are_followed_within_bounds(server: FileServer, open_cache: OpenCache) -> None:
    """Relative and absolute redirects are followed, ten of them at most, and those to nowhere are errors."""
    server.files["/a"] = Served(status=302, headers={"location": "b?x=1"})
    server.files["/b"] = Served(status=307, headers={"location": server.url("/c")})
    server.files["/c"] = Served(b"here")
    server.files["/loop"] = Served(status=302, headers={"location": "/loop"})
    for number, target in enumerate(("", "http://[", "ftp://example.com/", "file:///etc/passwd", "//\\evil/")):
        server.files[f"/nowhere{number}"] = Served(status=302, headers={"location": target})

    async def ask() -> bytes:
        async with open_cache() as cache:
            with pytest.raises(DownloadRefused, match="redirects more than 10 times"):
                await cache.get(server.url("/loop"))
            for number in range(5):
                with pytest.raises(Exception, match=r"redirects to no URL|is refused"):
                    await cache.get(server.url(f"/nowhere{number}"))
            return (await cache.get(server.url("/a"))).path.read_bytes()

    assert b"here" == asyncio.run(ask())
    assert 11 == len(server.asked("/loop"))


def test_keys_stay_with_their_origin(server: FileServer, open_cache: OpenCache) -> None:
    """Keys and given headers go to the URL's own origin; a redirect elsewhere drops them, and for good."""
    with serving({"/away": Served(status=302, headers={"location": server.url("/back")})}) as other:
        server.files["/a"] = Served(status=302, headers={"location": "/b"})
        server.files["/b"] = Served(status=302, headers={"location": other.url("/away")})
        server.files["/back"] = Served(b"here")
        token = Token("HF_TOKEN", "t0ken", frozenset({server.origin}))

        async def ask() -> None:
            async with open_cache(origins=[other.origin], credentials=Credentials((token,))) as cache:
                await cache.get(server.url("/a"), headers={"X-Key": "s3cret"})

        asyncio.run(ask())
        hops = [server.asked("/a"), server.asked("/b"), other.asked("/away"), server.asked("/back")]
        sent = [(hop[0].get("authorization"), hop[0].get("x-key")) for hop in hops]
    assert [("Bearer t0ken", "s3cret")] * 2 + [(None, None)] * 2 == sent


def test_a_redirect_cannot_borrow_a_key(server: FileServer, open_cache: OpenCache) -> None:
    """A server that redirects to a host we have a key for does not get at what only the key opens."""
    with serving({"/lure": Served(status=302, headers={"location": server.url("/private")})}) as evil:
        server.files["/private"] = Served(b"here")
        token = Token("HF_TOKEN", "t0ken", frozenset({server.origin}))

        async def ask() -> None:
            async with open_cache(origins=[evil.origin], credentials=Credentials((token,))) as cache:
                await cache.get(evil.url("/lure"))

        asyncio.run(ask())
    assert "authorization" not in server.requests[0][1]
