"""The WebSocket to a server that does not play along."""

import asyncio
import base64
import hashlib

from comfypipe.backends.comfyui.socket import Socket

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


async def say_yes_and_no_more(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a WebSocket's handshake, and never answer anything after it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(f"{key}{_MAGIC}".encode()).digest()).decode()  # noqa: S324  as the protocol says
    upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"
    writer.write(f"{upgrade}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    await reader.read()
    writer.close()


def test_a_server_that_says_no_farewell_is_not_waited_for() -> None:
    """Closing ends long before the ten seconds that a closing handshake may take."""

    async def course() -> None:
        server = await asyncio.start_server(say_yes_and_no_more, "127.0.0.1", 0)
        async with server:
            socket = Socket(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", lambda _: None)
            await socket.open()
            assert socket.connected
            async with asyncio.timeout(5):
                await socket.close()

    asyncio.run(course())
