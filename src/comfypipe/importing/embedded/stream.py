"""A file read with bounds: no length in it is believed before it is checked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

MAX_TEXT_BYTES = 64 * 1024 * 1024
"""Most that is taken out of one file, after decompression."""

MAX_STEPS = 200_000
"""Most parts (chunks, boxes, pages) of one file that are looked at."""


class Broken(Exception):
    """The file ends too early, or states a length that cannot be."""


class Stream:
    """
    The part of a file between two places.

    Args:
        file: Seekable.
        end: Where it ends; the file's end by default.
    """

    def __init__(self, file: BinaryIO, end: int | None = None) -> None:
        self._file = file
        if end is None:
            here = file.tell()
            end = file.seek(0, os.SEEK_END)
            file.seek(here)
        self.end = end
        self._steps = 0

    @property
    def at(self) -> int:
        """Where it stands, from the beginning of the file."""
        return self._file.tell()

    @property
    def left(self) -> int:
        """How many bytes there are up to the end."""
        return self.end - self._file.tell()

    def take(self, count: int) -> bytes:
        """
        Return the next *count* bytes.

        Raises:
            Broken: There are fewer, or more than a text may have.
        """
        if not 0 <= count <= min(self.left, MAX_TEXT_BYTES):
            raise Broken
        data = self._file.read(count)
        if len(data) != count:
            raise Broken
        return data

    def number(self, count: int, order: str = "big") -> int:
        """Return the next *count* bytes as an unsigned number."""
        return int.from_bytes(self.take(count), "little" if order == "little" else "big")

    def back(self, count: int) -> None:
        """Go back over *count* bytes that were taken."""
        self._file.seek(-count, os.SEEK_CUR)

    def skip(self, count: int) -> None:
        """Pass over *count* bytes; also counts a step, so that endless small parts come to an end."""
        self._steps += 1
        if not 0 <= count <= self.left or self._steps > MAX_STEPS:
            raise Broken
        self._file.seek(count, os.SEEK_CUR)

    @contextmanager
    def part(self, size: int) -> "Iterator[Stream]":
        """Yield the next *size* bytes as a stream of their own, and stand after them in the end."""
        if not 0 <= size <= self.left:
            raise Broken
        end = self.at + size
        inner = Stream(self._file, end)
        inner._steps = self._steps
        try:
            yield inner
        finally:
            self._steps = inner._steps + 1
            self._file.seek(end)
        if self._steps > MAX_STEPS:
            raise Broken
