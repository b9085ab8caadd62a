"""The clients of a server, and the order of what they are sent."""

import asyncio
import json
from threading import Thread

from comfypipe.engine.server.hub import Client, Hub


class Listener:
    """A socket that notes what is sent over it."""

    def __init__(self, expected: int) -> None:
        self.told: list[tuple[str, int]] = []
        self.complete = asyncio.Event()
        self._expected = expected

    async def send_text(self, data: str) -> None:
        """Note a message."""
        message = json.loads(data)
        self.told.append((message["type"], message["data"]["number"]))
        if len(self.told) == self._expected:
            self.complete.set()

    async def send_bytes(self, data: bytes) -> None:
        """Note nothing."""


def test_messages_from_threads_keep_their_order() -> None:
    """However many come before the event loop is awake, each arrives once, in the order of its thread."""
    kinds, numbers = ("one", "two", "three"), range(200)

    async def listen() -> list[tuple[str, int]]:
        hub, listener = Hub(), Listener(len(kinds) * len(numbers))
        hub.start()
        client = Client("c", listener)
        hub.connect(client)
        sending = asyncio.create_task(client.send_all())

        def publish(kind: str) -> None:
            for number in numbers:
                hub.publish(kind, {"number": number}, "c")

        threads = [Thread(target=publish, args=(kind,)) for kind in kinds]
        for thread in threads:
            thread.start()
        await listener.complete.wait()
        for thread in threads:
            thread.join()
        sending.cancel()
        return listener.told

    told = asyncio.run(listen())
    assert {kind: list(numbers) for kind in kinds} == {
        kind: [number for each, number in told if each == kind] for kind in kinds
    }
