"""Who waits for which run, and is to ask again at once."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Waking:
    """Wakes those who wait for a run when an event or a webhook speaks of it."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def wake(self, run_id: str) -> None:
        """Have everybody who waits for this run ask again."""
        for event in self._waiting.get(run_id, ()):
            event.set()

    @contextmanager
    def waiting(self, run_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever something is heard of the run."""
        event = asyncio.Event()
        self._waiting.setdefault(run_id, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[run_id].discard(event)
            if not self._waiting[run_id]:
                del self._waiting[run_id]


async def woken(event: asyncio.Event, timeout_s: float) -> None:
    """Return when *event* is set, or after so long; it is clear then."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
    event.clear()
