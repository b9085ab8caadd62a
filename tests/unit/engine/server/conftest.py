"""A server that runs, and a client of it."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.unit.engine.server.client import Gate, small_registry

from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.engine.server.serve import serving


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Return a gate that is open at the end of the test."""
    made = Gate()
    yield made
    made.opened.set()


@pytest.fixture
def engine(gate: Gate, tmp_path: Path) -> Engine:
    """Return an engine with a few small nodes."""
    return Engine(Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp"), small_registry(gate))


@pytest.fixture
def client(engine: Engine) -> Iterator[httpx.Client]:
    """Return a client of a server that runs."""
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the certificates of the system take longer than a whole test
    with serving(engine, jobs_api=True) as url, httpx.Client(base_url=url, verify=no_tls) as made:
        yield made
