"""A server that plays the faults that a test asks for, and clients of it."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tests.unit.engine.server.client import Gate, small_registry

from comfypipe.testing import EngineServer, engine_server

Play = Callable[..., EngineServer]


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a gate that is open at the end of the test."""
    made = Gate()
    yield made
    made.opened.set()


@pytest.fixture
def play(gate: Gate, tmp_path: Path) -> Iterator[Play]:
    """Return a function that starts a server with faults; it has a few small nodes, ``Gate`` among them."""
    with ExitStack() as stack:
        registry = small_registry(gate)
        yield lambda *faults: stack.enter_context(
            engine_server(tmp_path / "server", faults=faults, registry=registry, jobs_api=True)
        )
        gate.opened.set()


@pytest.fixture
def client_of() -> Iterator[Callable[[EngineServer], httpx.Client]]:
    """Return a function that gives a client of a server."""
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the certificates of the system take longer than a whole test
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(httpx.Client(base_url=server.url, verify=no_tls))
