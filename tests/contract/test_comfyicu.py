"""The contract of backends over the runs API of our own service, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.own_service import own_service

from comfypipe.backends.base import Backend
from comfypipe.backends.comfyicu import ComfyICUBackend
from comfypipe.backends.comfyicu.address import read_address
from comfypipe.testing import BackendContract


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the base URL of a service that runs as long as this module's tests."""
    with own_service(tmp_path_factory.mktemp("service")) as base_url:
        yield base_url


class TestOwnService(BackendContract):
    """The client against our own service, which shares no code with it but the names of statuses."""

    keeps_previews = False

    @pytest.fixture
    def backend(self, service: str, tmp_path: Path) -> Backend:
        """Return a client of the service."""
        return ComfyICUBackend(read_address(f"comfyicu+{service}"))
