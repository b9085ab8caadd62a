"""Fixtures for the whole suite."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgres import PostgresServer

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script: the programs that tests interrupt would inherit deaf ears.
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of shared reference material; skips the test where there is none."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the shared reference material beside the checkout")
    return folder


@pytest.fixture(scope="session")
def postgres() -> "Iterator[PostgresServer]":
    """Run a PostgreSQL server; skips the test where none is installed."""
    from tests.postgres import programs, running

    found = programs()
    if found is None:
        pytest.skip("needs PostgreSQL: scripts/setup_postgres installs it where it can")
    with running(found) as server:
        yield server
