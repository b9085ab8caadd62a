"""Transports that gather what is written."""

import asyncio

from comfypipe.engine.server.gathering import GatheringTransport


class Recorder(asyncio.Transport):
    """A connection that notes what is sent over it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note it."""
        self.sent.append(bytes(data))

    def write_eof(self) -> None:
        """Note the end of what is sent."""
        self.sent.append(b"(end)")

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self.closed

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True


def test_what_is_written_in_one_turn_is_sent_at_once() -> None:
    """In the order in which it was written, and a turn later what was written then."""

    async def write() -> list[bytes]:
        recorder = Recorder()
        transport = GatheringTransport(recorder)
        transport.write(b"head ")
        transport.write(b"body")
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)
        return recorder.sent

    assert [b"head body", b"next"] == asyncio.run(write())


def test_the_end_comes_after_what_was_written() -> None:
    """Nothing that is held back is left unsent when no more is to come."""

    async def write() -> list[bytes]:
        recorder = Recorder()
        transport = GatheringTransport(recorder)
        transport.write(b"last")
        transport.write_eof()
        await asyncio.sleep(0)
        return recorder.sent

    assert [b"last", b"(end)"] == asyncio.run(write())


def test_much_is_not_held_back() -> None:
    """More than 64 KiB goes at once, so that the transport can tell the protocol to wait."""

    async def write() -> tuple[list[int], list[int]]:
        recorder = Recorder()
        transport = GatheringTransport(recorder)
        transport.write(b"head")
        transport.write(bytes(100_000))
        transport.write(b"tail")
        at_once = [len(each) for each in recorder.sent]
        await asyncio.sleep(0)
        return at_once, [len(each) for each in recorder.sent]

    assert ([100_004], [100_004, 4]) == asyncio.run(write())


def test_what_was_written_is_sent_before_the_end() -> None:
    """Closing sends it; nothing follows."""

    async def write() -> tuple[list[bytes], bool]:
        recorder = Recorder()
        transport = GatheringTransport(recorder)
        transport.write(b"last words")
        transport.close()
        transport.write(b"too late")
        await asyncio.sleep(0)
        return recorder.sent, transport.is_closing()

    assert ([b"last words"], True) == asyncio.run(write())
