"""
A program that forks a process for each download it is told to do, so that each begins at once and can be killed.

Reads a line for each (``go``), writes the process's id; the process writes ``done DIGEST`` when the file is in place.
"""

import asyncio
import os
import sys
from pathlib import Path

from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.place import Placer


async def fetch(folder: Path, origin: str, url: str) -> str:
    """Bring a model into ComfyUI's folder."""
    async with DownloadCache(folder / "cache", AddressPolicy(frozenset({origin}))) as cache:
        placer = Placer(cache, folder / "ComfyUI", allow_pickle=True)
        async with placer.placed({"models/checkpoints/x.bin": url}) as placement:
            return placement.files["models/checkpoints/x.bin"].downloaded.sha256


def main(folder: str, origin: str, url: str) -> None:
    """Fork for each line."""
    for _ in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            digest = asyncio.run(fetch(Path(folder), origin, url))
            print(f"done {digest}", flush=True)  # noqa: T201
            os._exit(0)
        print(child, flush=True)  # noqa: T201
        os.waitpid(child, 0)
        print("ended", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
