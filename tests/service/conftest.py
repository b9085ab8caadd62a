"""A service for each test, or one for many."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service.client import Client, served

from comfypipe.service.settings import ServiceSettings


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Talk to a service without keys, on the embedded engine, that the tests of a module share."""
    with served(ServiceSettings(tmp_path_factory.mktemp("service"), authenticate=False)) as client:
        yield client


@pytest.fixture
def settings(tmp_path: Path) -> ServiceSettings:
    """Return settings of a service of the test's own."""
    return ServiceSettings(tmp_path / "service", authenticate=False)
