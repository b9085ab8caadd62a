"""The contract of backends, over sockets: the engine behind ComfyUI's own protocol."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from comfypipe.backends.base import Backend
from comfypipe.backends.comfyui import ComfyUIBackend
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.engine.server.serve import serving
from comfypipe.testing import BackendContract


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Return the URL of an engine that listens for as long as the test lasts."""
    folder = tmp_path / "server"
    with serving(Engine(Folders(folder / "input", folder / "output", folder / "temp"))) as url:
        yield url


class TestEngineOverSockets(BackendContract):
    """The client against our own server."""

    @pytest.fixture
    def backend(self, server: str) -> Backend:
        """Return a client of the server."""
        return ComfyUIBackend(server)


@pytest.mark.comfyui
@pytest.mark.skipif("COMFYUI_URL" not in os.environ, reason="needs a real ComfyUI at COMFYUI_URL")
class TestRealComfyUI(BackendContract):
    """The client against a ComfyUI that somebody else wrote."""

    @pytest.fixture
    def backend(self) -> Backend:
        """Return a client of the server that the environment names."""
        return ComfyUIBackend(os.environ["COMFYUI_URL"])
