"""A runs API like ComfyICU's, and a client of it."""

from collections.abc import Callable, Iterator

import pytest

from comfypipe.backends.comfyicu import ComfyICUBackend
from comfypipe.backends.comfyicu.address import read_address
from comfypipe.backends.comfyicu.timing import ApiTiming
from comfypipe.testing import RunsApi, runs_api

FAST = ApiTiming(
    first_poll_s=0.01, longest_poll_s=0.05, told_poll_s=0.1, create_s=5.0, settle_s=0.3, unreachable_s=2.0, cancel_s=5.0
)

Open = Callable[..., ComfyICUBackend]


@pytest.fixture
def api() -> Iterator[RunsApi]:
    """Return a runs API that listens for as long as the test lasts."""
    with runs_api() as found:
        yield found


@pytest.fixture
def open_client(api: RunsApi) -> Open:
    """Return what opens a client of the API; close it."""

    def opened(**options: object) -> ComfyICUBackend:
        settings = {"key": api.key, "timing": FAST, **options}
        return ComfyICUBackend(read_address(api.backend_url), **settings)  # type: ignore[arg-type]

    return opened
