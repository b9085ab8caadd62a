"""The connections under httpx: kept where they can be, and every way in which they break."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import httpx
import pytest

from comfypipe.backends.connections import ServerTransport

T = TypeVar("T")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
Answer = Callable[["Peer", bytes], Awaitable[None]]
"""Called with each request as it came; writes to the peer."""


class Peer:
    """
    A server whose answers are bytes.

    Attributes:
        requests: What came, head and body, in order.
        connections: How often somebody connected.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.handlers: set[asyncio.Task[None]] = set()
        self.writer: asyncio.StreamWriter

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        self.handlers.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = await reader.readexactly(_length(head))
                self.requests.append(head + body)
                self.writer = writer
                await self._answer(self, head + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def send(self, data: bytes) -> None:
        """Send bytes to whoever asked last."""
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """Close the connection of whoever asked last."""
        self.writer.close()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


@asynccontextmanager
async def talking(
    answer: Answer, *, idle_s: float = 4.0, timeout_s: float = 5.0, most: int = 32
) -> AsyncIterator[tuple[Peer, httpx.AsyncClient]]:
    """Give a peer, and a client that asks it."""
    peer = Peer(answer)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    transport = ServerTransport(idle_s=idle_s, most=most)
    url = f"http://127.0.0.1:{peer.port}"
    try:
        async with httpx.AsyncClient(base_url=url, transport=transport, timeout=timeout_s, trust_env=False) as client:
            yield peer, client
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*peer.handlers)


def saying(*replies: bytes) -> Answer:
    """Return what answers every request with the next of *replies*, the last one again and again."""
    left = list(replies)

    async def answer(peer: Peer, _request: bytes) -> None:
        await peer.send(left.pop(0) if len(left) > 1 else left[0])

    return answer


def then_closing(reply: bytes) -> Answer:
    """Return what answers and closes the connection."""

    async def answer(peer: Peer, _request: bytes) -> None:
        await peer.send(reply)
        peer.close()

    return answer


def run(work: Awaitable[T]) -> T:
    """Run a coroutine to its end."""

    async def whole() -> T:
        return await work

    return asyncio.run(whole())


def test_requests_share_a_connection() -> None:
    """One request after the other needs one connection; each is whole when it arrives."""

    async def ask() -> tuple[int, list[str], bytes]:
        async with talking(saying(OK)) as (peer, client):
            texts = [(await client.post("/a", content=b"body")).text, (await client.get("/b?x=1")).text]
            return peer.connections, texts, b"|".join(each[:12] + each[-4:] for each in peer.requests)

    assert (1, ["hi", "hi"], b"POST /a HTTPbody|GET /b?x=1 H\r\n\r\n") == run(ask())


def test_requests_at_the_same_time_have_a_connection_each() -> None:
    """So many at once as there may be; the others wait for a free one."""

    async def slowly(peer: Peer, _request: bytes) -> None:
        writer = peer.writer
        await asyncio.sleep(0.01)
        writer.write(OK)

    async def ask() -> tuple[int, int]:
        async with talking(slowly, most=3) as (peer, client):
            replies = await asyncio.gather(*(client.get("/") for _ in range(10)))
            return peer.connections, sum(reply.text == "hi" for reply in replies)

    assert (3, 10) == run(ask())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
def test_bodies_come_in_every_form(reply: bytes) -> None:
    """In pieces, or after an interim answer, the body is the same, and the connection is kept."""

    async def ask() -> tuple[list[bytes], int]:
        async with talking(saying(reply)) as (peer, client):
            return [(await client.get("/")).content for _ in range(2)], peer.connections

    assert ([b"abcde"] * 2, 1) == run(ask())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
def test_a_connection_that_the_server_closes_is_not_used_again(reply: bytes) -> None:
    """A body that ends with the connection is whole, and the next request has another connection."""

    async def ask() -> tuple[list[bytes], int]:
        async with talking(then_closing(reply)) as (peer, client):
            return [(await client.get("/")).content for _ in range(2)], peer.connections

    assert ([b"abcde"] * 2, 2) == run(ask())


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (b"", httpx.RemoteProtocolError, "without sending a response"),
        (b"HTTP/1.1 20", httpx.RemoteProtocolError, "without sending a response"),
        (b"-ERR unknown command\r\n\r\n", httpx.RemoteProtocolError, "illegal status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", httpx.RemoteProtocolError, "without sending complete"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", httpx.RemoteProtocolError, "incomplete"),
    ],
)
def test_a_broken_answer_is_an_error(reply: bytes, error: type[Exception], words: str) -> None:
    """An answer that is cut off, or is none, is told from a whole one; the next request is answered."""
    answers = [then_closing(reply), saying(OK)]

    async def answer(peer: Peer, request: bytes) -> None:
        await answers.pop(0)(peer, request)

    async def ask() -> str:
        async with talking(answer) as (_, client):
            with pytest.raises(error, match=words):
                await client.get("/")
            return (await client.get("/")).text

    assert "hi" == run(ask())


def test_a_connection_that_is_reset_is_a_read_error() -> None:
    """A server that dies amid an answer is told from one that ends it badly."""

    async def reset(peer: Peer, _request: bytes) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        await asyncio.sleep(0.02)
        peer.writer.transport.abort()

    async def ask() -> None:
        async with talking(reset) as (_, client):
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await client.get("/")

    run(ask())


def test_nobody_listening_is_a_connect_error() -> None:
    """No server, no connection, and the error says so."""

    async def ask() -> None:
        async with talking(saying(OK)) as (peer, _):
            port = peer.port
        async with httpx.AsyncClient(transport=ServerTransport()) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"http://127.0.0.1:{port}/")

    run(ask())


def test_silence_is_a_time_out() -> None:
    """A server that takes the request and says nothing is waited for so long; a late answer reaches nobody."""

    async def late(peer: Peer, request: bytes) -> None:
        if b"/late" in request:
            writer = peer.writer
            await asyncio.sleep(0.1)
            writer.write(OK.replace(b"hi", b"no"))
        else:
            await peer.send(OK)

    async def ask() -> str:
        async with talking(late, timeout_s=0.05) as (_, client):
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/late")
            return (await client.get("/")).text

    assert "hi" == run(ask())


def test_a_cancelled_request_leaves_no_connection_to_others() -> None:
    """Who comes after a cancelled request does not get its answer."""

    async def answer(peer: Peer, request: bytes) -> None:
        writer = peer.writer
        await asyncio.sleep(0.03 if b"/first" in request else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + request[5:8])

    async def ask() -> tuple[str, int]:
        async with talking(answer, most=1) as (peer, client):
            first = asyncio.create_task(client.get("/first"))
            await asyncio.sleep(0.01)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            return (await client.get("/two")).text, peer.connections

    assert ("two", 2) == run(ask())


def test_idle_connections_are_not_trusted_for_long() -> None:
    """After its time an idle connection makes room for a new one, before the server closes it amid a request."""

    async def ask() -> int:
        async with talking(saying(OK), idle_s=0.0) as (peer, client):
            await client.get("/")
            await asyncio.sleep(0.01)
            await client.get("/")
            return peer.connections

    assert 2 == run(ask())


def test_a_connection_that_was_closed_while_idle_is_not_used() -> None:
    """A server may close what is idle: the next request does not fail of it."""

    async def answer(peer: Peer, _request: bytes) -> None:
        await peer.send(OK)
        asyncio.get_running_loop().call_later(0.01, peer.close)

    async def ask() -> tuple[list[str], int]:
        async with talking(answer) as (peer, client):
            texts = []
            for _ in range(2):
                texts.append((await client.get("/")).text)
                await asyncio.sleep(0.03)
            return texts, peer.connections

    assert (["hi", "hi"], 2) == run(ask())


def test_a_large_body_is_not_read_ahead() -> None:
    """While nobody takes a large body, the server has to wait; then all of it comes."""
    size = 32 << 20
    sent = 0

    async def answer(peer: Peer, _request: bytes) -> None:
        nonlocal sent
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            await peer.send(bytes(1 << 20))
            sent += 1 << 20

    async def ask() -> tuple[bool, int]:
        async with talking(answer) as (_, client), client.stream("GET", "/") as response:
            await asyncio.sleep(0.1)
            held_back = sent < size
            received = 0
            async for chunk in response.aiter_bytes():
                received += len(chunk)
            return held_back, received

    assert (True, size) == run(ask())


def test_a_large_body_is_sent_whole() -> None:
    """More than fits into any buffer arrives, byte for byte."""
    body = bytes(range(256)) * (1 << 14)

    async def ask() -> bool:
        async with talking(saying(OK)) as (peer, client):
            await client.post("/", content=body)
            return peer.requests[0].endswith(body)

    assert run(ask())


def test_a_refusal_is_heard_before_everything_is_sent() -> None:
    """A server that refuses a body and closes is heard, and not taken for one that died."""

    async def ask() -> int:
        closed = asyncio.Event()

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            while await reader.read(1 << 20):  # as aiohttp does, so that the answer is not lost with the connection
                pass
            writer.close()
            await writer.wait_closed()
            closed.set()

        async def body() -> AsyncIterator[bytes]:
            for _ in range(16):
                yield bytes(1 << 20)

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, httpx.AsyncClient(transport=ServerTransport()) as client:
            reply = await client.post(f"http://127.0.0.1:{port}/", content=body())
        await closed.wait()
        return reply.status_code

    assert 413 == run(ask())


def test_an_end_that_the_loop_has_not_come_to_is_seen() -> None:
    """A server that went away a moment ago is found to be gone before anything is sent to it."""

    async def ask() -> None:
        async with talking(saying(OK)) as (peer, client):
            await client.get("/")
            peer.writer.get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # the loop has not heard of it yet
            await client.get("/")
            assert 2 == peer.connections

    run(ask())
