"""What a guarded download costs: a large file through the cache, against httpx that streams it to a file."""

import asyncio
import multiprocessing
import shutil
import socket
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from _timing import best_of, table
from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.guard import AddressPolicy

SIZE_BYTES = 400_000_000
PIECE = bytes(1 << 20)
ROUNDS = 5


def serve(told: Connection) -> None:
    """Answer every GET with the file, as fast as sockets go."""
    listener = socket.create_server(("127.0.0.1", 0))
    told.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    """Send the file once, then close."""
    with connection:
        connection.recv(65536)
        head = f'HTTP/1.1 200 OK\r\ncontent-length: {SIZE_BYTES}\r\netag: "1"\r\nconnection: close\r\n\r\n'
        connection.sendall(head.encode())
        left = SIZE_BYTES
        while left:
            connection.sendall(PIECE[:left])
            left -= min(left, len(PIECE))


async def plain(url: str, folder: Path) -> None:
    """Stream the file to the disk with httpx alone."""
    async with httpx.AsyncClient(trust_env=False) as client, client.stream("GET", url) as response:
        with (folder / "plain").open("wb") as file:
            async for chunk in response.aiter_raw():
                file.write(chunk)


async def guarded(url: str, folder: Path) -> None:
    """Fetch the file through an empty cache: guarded, hashed, brought to the disk, settled."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    origin = url.removesuffix("/file")
    async with DownloadCache(folder / "cache", AddressPolicy(frozenset({origin}))) as cache:
        await cache.get(url)


async def cached(cache: DownloadCache, url: str) -> None:
    """Ask for the file a hundred times once it is there."""
    for _ in range(100):
        await cache.get(url)


async def hit_seconds(url: str, folder: Path) -> float:
    """Return what asking for a file costs that is there."""
    async with DownloadCache(folder / "cache", AddressPolicy(frozenset({url.removesuffix("/file")}))) as cache:
        await cache.get(url)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await cached(cache, url)
        return (loop.time() - began) / 100


def main() -> None:
    """Print the table of docs/benchmarks.md."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/file"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = [
            (best_of(lambda: asyncio.run(plain(url, folder)), 1), best_of(lambda: asyncio.run(guarded(url, folder)), 1))
            for _ in range(ROUNDS)
        ]
        hit = asyncio.run(hit_seconds(url, folder))
    server.terminate()
    streamed, fetched = (min(each) for each in zip(*pairs, strict=True))
    rows = [
        ("httpx streams it to a file", f"{SIZE_BYTES / streamed / 1e6:.0f} MB/s", ""),
        ("the cache fetches it", f"{SIZE_BYTES / fetched / 1e6:.0f} MB/s", f"{streamed / fetched:.2f}"),
        ("the cache has it", f"{hit * 1000:.1f} ms", ""),
    ]
    print(table(("400 MB over loopback", "rate", "of httpx alone"), rows))


if __name__ == "__main__":
    main()
