"""All files of a run in their places, or none of the run."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from tests.unit.downloads.conftest import OpenCache
from tests.unit.downloads.file_server import FileServer, Served

from comfypipe.downloads.place import Placement, Placer, Wanted
from comfypipe.errors import DownloadMissing, DownloadRefused

MODEL = save({"a": np.zeros(3, np.float32)})
OTHER = save({"a": np.ones(3, np.float32)})


@pytest.fixture(autouse=True)
def files(server: FileServer) -> None:
    """Serve a picture and a model."""
    server.files |= {"/a.png": Served(b"\x89PNG", etag='"1"'), "/x.safetensors": Served(MODEL, etag='"2"')}


def place(
    open_cache: OpenCache,
    base: Path | None,
    files: Mapping[str, str | Wanted],
    present: tuple[str, ...] = (),
    *,
    replace_models: bool = False,
) -> Placement:
    """Put files in place with a cache of their own."""

    async def whole() -> Placement:
        async with open_cache() as cache, placed(Placer(cache, base, replace_models=replace_models)) as placement:
            return placement

    def placed(placer: Placer) -> AbstractAsyncContextManager[Placement]:
        return placer.placed(files, present=present)

    return asyncio.run(whole())


def test_files_are_put_in_place(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """Inputs and models lie where prompts expect them, linked with the cache, and it is told how long it took."""
    wanted = {"/input/a.png": server.url("/a.png"), "models/loras/x.safetensors": server.url("/x.safetensors")}
    found = place(open_cache, tmp_path / "ComfyUI", wanted)
    assert ["input/a.png", "models/loras/x.safetensors"] == list(found.files)
    assert b"\x89PNG" == (tmp_path / "ComfyUI/input/a.png").read_bytes()
    placed = found.files["models/loras/x.safetensors"]
    assert placed.path.samefile(placed.downloaded.path)
    assert (tmp_path / "ComfyUI/models/loras/x.safetensors", False) == (placed.path, placed.downloaded.cached)
    assert found.seconds >= max(each.downloaded.seconds for each in found.files.values()) > 0


def test_again_nothing_is_transferred(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """What is in its place stays, and its server is not asked."""
    for cached in (False, True):
        found = place(open_cache, tmp_path / "ComfyUI", {"input/a.png": server.url("/a.png")})
        assert cached == found.files["input/a.png"].downloaded.cached
    assert 1 == len(server.requests)


def test_without_a_folder_inputs_stay_in_the_cache(server: FileServer, open_cache: OpenCache) -> None:
    """Where ComfyUI's folder is not at hand an input lies in the cache; models must be on the server already."""
    wanted = {"input/a.png": server.url("/a.png"), "models/loras/x.safetensors": server.url("/x.safetensors")}
    with pytest.raises(DownloadRefused, match=r"the server has no models/loras/x\.safetensors"):
        place(open_cache, None, wanted)
    assert [] == server.requests
    found = place(open_cache, None, wanted, present=("models/loras/x.safetensors",))
    assert [("input/a.png", b"\x89PNG")] == [(name, each.path.read_bytes()) for name, each in found.files.items()]


@pytest.mark.parametrize(
    "wanted",
    [
        {"../a.png": "https://example.com/a.png"},
        {"models/loras/x.ckpt": "https://example.com/x"},
        {"input/a.png": "http://127.0.0.1/a.png"},
        {"input/a.png": "https://example.com/a.png", "/input/a.png": "https://example.com/b.png"},
    ],
)
def test_nothing_is_fetched_when_one_may_not_be(
    server: FileServer, open_cache: OpenCache, wanted: dict[str, str], tmp_path: Path
) -> None:
    """A place, name or URL that is not allowed is refused before the first transfer."""
    with pytest.raises(DownloadRefused):
        place(open_cache, tmp_path / "ComfyUI", {"input/first.png": server.url("/a.png")} | wanted)
    assert [] == server.requests


def test_one_that_fails_ends_all(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """When one file cannot be had, the error names it."""
    wanted = {"input/a.png": server.url("/a.png"), "input/gone.png": server.url("/gone.png")}
    with pytest.raises(DownloadMissing, match=r"/gone\.png is not there"):
        place(open_cache, tmp_path / "ComfyUI", wanted)


def test_models_do_not_give_way_unless_told(server: FileServer, open_cache: OpenCache, tmp_path: Path) -> None:
    """A model of the same name may be in use, and stays unless told otherwise; inputs are the run's own."""
    base = tmp_path / "ComfyUI"
    wanted = {"models/loras/x.safetensors": server.url("/x.safetensors"), "input/a.png": server.url("/a.png")}
    place(open_cache, base, wanted)
    server.files |= {"/other.safetensors": Served(OTHER), "/b.png": Served(b"\x89PNG2")}
    other = {"models/loras/x.safetensors": server.url("/other.safetensors")}
    with pytest.raises(DownloadRefused, match="is there already"):
        place(open_cache, base, other)
    assert MODEL == (base / "models/loras/x.safetensors").read_bytes()
    place(open_cache, base, other | {"input/a.png": server.url("/b.png")}, replace_models=True)
    assert OTHER == (base / "models/loras/x.safetensors").read_bytes()
    assert b"\x89PNG2" == (base / "input/a.png").read_bytes()


def test_what_is_placed_is_held(server: FileServer, open_cache: OpenCache) -> None:
    """While a run has its files, the cache keeps them; afterwards they may go."""
    server.files |= {f"/{number}": Served(bytes(100_000)) for number in range(2)}
    server.files |= {"/1": Served(b"1" * 100_000), "/2": Served(b"2" * 100_000)}

    async def whole() -> tuple[bool, bool]:
        async with open_cache(max_bytes=100_000) as cache:
            async with Placer(cache, None).placed({"input/0": server.url("/0")}) as placement:
                await cache.get(server.url("/1"))
                during = placement.files["input/0"].path.is_file()
            await cache.get(server.url("/2"))
            return during, placement.files["input/0"].path.is_file()

    assert (True, False) == asyncio.run(whole())
