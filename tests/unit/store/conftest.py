"""Databases to test the store with."""

from pathlib import Path

import pytest
from tests.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return where a database may be made: in a file, and on a server."""
    if request.param == "sqlite":
        return tmp_path / "state" / "ledger.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.make()
