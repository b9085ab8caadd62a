"""Who is turned away."""

import asyncio

import httpx
import pytest
from tests.unit.engine.server.client import told_length

from comfypipe.engine.executor import Engine
from comfypipe.engine.server.app import create_app


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9999", "http://localhost:8188", "null"])
def test_foreign_origin(client: httpx.Client, origin: str) -> None:
    """A web page from elsewhere gets 403, on the socket too."""
    assert 403 == client.get("/queue", headers={"Origin": origin}).status_code
    assert 403 == client.post("/prompt", headers={"Origin": origin}, json={}).status_code


def test_own_origin(client: httpx.Client) -> None:
    """The server's own pages may."""
    assert 200 == client.get("/queue", headers={"Origin": str(client.base_url).rstrip("/")}).status_code


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8188", "169.254.1.1"])
def test_rebound_name(client: httpx.Client, host: str) -> None:
    """A server on loopback is not called by a name of elsewhere."""
    assert 403 == client.get("/queue", headers={"Host": host}).status_code


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:8188", "127.9.9.9"])
def test_loopback_names(client: httpx.Client, host: str) -> None:
    """Any name of this machine's loopback will do."""
    assert 200 == client.get("/queue", headers={"Host": host}).status_code


def test_other_names_where_it_is_reached_from_elsewhere(engine: Engine) -> None:
    """A server that listens to all may be called anything."""
    transport = httpx.ASGITransport(create_app(engine, loopback=False))

    async def get() -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://gpu.example:8188") as public:
            return (await public.get("/features")).status_code

    assert 200 == asyncio.run(get())


@pytest.mark.parametrize("path", ["/prompt", "/upload/image", "/queue"])
def test_body_over_the_limit(client: httpx.Client, path: str) -> None:
    """413, by the length that is told and by what comes."""
    told = told_length(client, path, 100 * 1024 * 1024 + 1)
    assert told.startswith(b"HTTP/1.1 413 ")
    assert told.endswith(b"Maximum request body size 104857600 exceeded.")
    form = b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    came = client.post(
        path,
        content=(form if not index else bytes(1024 * 1024) for index in range(102)),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert 413 == came.status_code
