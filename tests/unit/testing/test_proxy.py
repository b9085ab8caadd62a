"""The proxy that breaks connections."""

import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from comfypipe.testing import (
    BlackHole,
    Delay,
    EngineServer,
    FaultProxy,
    Refuse,
    Reset,
    Truncate,
    engine_server,
    fault_proxy,
    picture_prompt,
)

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture(scope="module")
def server() -> Iterator[EngineServer]:
    """Return a server, which all tests here share."""
    with engine_server() as made:
        yield made


@pytest.fixture
def proxy(server: EngineServer) -> Iterator[FaultProxy]:
    """Return a proxy before the server."""
    with fault_proxy(server.url) as made:
        yield made


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    """Return a client that opens a connection for every request."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=proxy.url, verify=NO_TLS, limits=limits, timeout=10) as made:
        yield made


def test_nothing_is_harmed_without_a_fault(client: httpx.Client, server: EngineServer) -> None:
    """Large replies and requests pass whole."""
    assert httpx.get(f"{server.url}/object_info", verify=NO_TLS).content == client.get("/object_info").content
    assert 200 == client.post("/prompt", json={"prompt": picture_prompt(1)}).status_code


def test_scripted_faults_come_one_a_connection(client: httpx.Client, proxy: FaultProxy) -> None:
    """In order, None among them for one that passes; then no more."""
    proxy.script(Refuse(), None, Reset())
    with pytest.raises(httpx.TransportError):
        client.get("/queue")
    assert 200 == client.get("/queue").status_code
    with pytest.raises(httpx.TransportError):
        client.get("/queue")
    assert [200, 200] == [client.get("/queue").status_code for _ in range(2)]
    assert 5 == proxy.connections


def test_reset_reply_after_some_bytes(client: httpx.Client, proxy: FaultProxy) -> None:
    """The request arrives; the reply breaks off."""
    proxy.script(Reset(after_bytes=1000))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.get("/object_info")


def test_reset_request_never_arrives(client: httpx.Client, proxy: FaultProxy, server: EngineServer) -> None:
    """What was cut off on its way is not executed."""
    prompt = picture_prompt(2)
    proxy.script(Reset(after_bytes=50, side="request"))
    with pytest.raises(httpx.TransportError):
        client.post("/prompt", json={"prompt": prompt})
    assert {"queue_running": [], "queue_pending": []} == client.get("/queue").json()
    assert 0 == server.times_executed(prompt)


def test_truncate(client: httpx.Client, proxy: FaultProxy) -> None:
    """So many bytes come, headers included, and then the end."""
    proxy.script(Truncate(after_bytes=100))
    address = urlsplit(proxy.url)
    with socket.create_connection((address.hostname, address.port)) as raw:
        raw.sendall(f"GET /object_info HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        received = b""
        while data := raw.recv(4096):
            received += data
    assert (100, b"HTTP/1.1 200") == (len(received), received[:12])


def test_black_hole(proxy: FaultProxy, client: httpx.Client) -> None:
    """Nothing comes, and nobody says so."""
    proxy.script(BlackHole())
    with pytest.raises(httpx.ReadTimeout):
        client.get("/queue", timeout=0.1)


def test_always_holds_for_open_connections_too(proxy: FaultProxy) -> None:
    """A connection that worked falls silent, and works again."""
    with httpx.Client(base_url=proxy.url, verify=NO_TLS) as client:
        assert 200 == client.get("/queue").status_code
        proxy.always(BlackHole(after_bytes=1))
        with pytest.raises(httpx.ReadTimeout):
            client.get("/queue", timeout=0.1)
        proxy.always(None)
        assert 200 == client.get("/queue").status_code
    assert 2 == proxy.connections


def test_delay(proxy: FaultProxy, client: httpx.Client) -> None:
    """Replies come late, and whole."""
    proxy.script(Delay(0.05))
    began = time.monotonic()
    assert 200 == client.get("/queue").status_code
    assert time.monotonic() - began >= 0.05


def test_drop_resets_what_is_open(proxy: FaultProxy) -> None:
    """A client that keeps its connection has to open another."""
    with httpx.Client(base_url=proxy.url, verify=NO_TLS) as client:
        client.get("/queue")
        proxy.drop()
        assert 200 == client.get("/queue").status_code
    assert 2 == proxy.connections


def test_server_that_is_not_there() -> None:
    """The connection is reset, as far as the client can tell."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with fault_proxy(url) as proxy, pytest.raises(httpx.TransportError):
        httpx.get(proxy.url, verify=NO_TLS)
