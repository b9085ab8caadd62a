"""Prompts that are being checked: posted, and in no queue yet."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Checks:
    """
    The prompts that were posted and are being checked.

    They are checked in threads, so that a large one holds up nobody's socket. Whoever asks what there is waits for
    those that came before: ComfyUI answers nobody while it checks one, so that a client that died amid its submission
    learns from the first answer whether that had arrived.
    """

    def __init__(self) -> None:
        self._going: set[asyncio.Future[Any]] = set()

    async def do(self, check: Callable[[], T]) -> T:
        """Return what *check* returns, in a thread; it is done to its end, also when this is cancelled."""
        going = asyncio.ensure_future(asyncio.to_thread(check))
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        return await asyncio.shield(going)

    async def settled(self) -> None:
        """Wait for the checks that have begun before now."""
        if self._going:
            await asyncio.wait(tuple(self._going))
