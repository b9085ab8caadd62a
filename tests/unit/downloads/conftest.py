"""A server of files, and caches that may ask it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.unit.downloads.file_server import FileServer, serving

from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.limits import Limits

OpenCache: TypeAlias = Callable[..., DownloadCache]
QUICK = {"first_delay_s": 0.001, "longest_delay_s": 0.002, "stall_s": 5.0}


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Run a server of files."""
    with serving() as running:
        yield running


@pytest.fixture
def open_cache(tmp_path: Path, server: FileServer) -> OpenCache:
    """Return what opens caches that may ask the server, and lose no time between tries."""

    def opened(**options: Any) -> DownloadCache:
        limits = Limits(**{**QUICK, **options.pop("limits", {})})
        policy = AddressPolicy(frozenset({server.origin, *options.pop("origins", ())}))
        return DownloadCache(options.pop("folder", tmp_path / "cache"), policy, limits=limits, **options)

    return opened
