"""
ID3 tags of MP3 files.

Source: ID3v2.3.0 and ID3v2.4.0, sections 3 and 4.
"""

import re
from collections.abc import Iterator

from comfypipe.importing.embedded.stream import Broken, Stream

_ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}


def texts(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the user-defined texts and comments of the tag at the front of the file."""
    if stream.left < 10 or stream.take(3) != b"ID3":
        return
    version = stream.number(1)
    stream.skip(1)
    flags = stream.number(1)
    with stream.part(_seven_bits(stream.take(4))) as tag:
        if flags & 0x80 and version < 4:
            raise Broken  # the whole tag is written so that it cannot look like sound: nobody does
        if flags & 0x40:
            size = tag.take(4)
            tag.skip(_seven_bits(size) - 4 if version >= 4 else int.from_bytes(size, "big"))
        yield from _frames(tag, version)


def _frames(tag: Stream, version: int) -> Iterator[tuple[str, str]]:
    while tag.left > 10:
        kind = tag.take(4)
        if not re.fullmatch(rb"[A-Z0-9]{4}", kind):
            return
        size = tag.take(4)
        tag.skip(2)
        with tag.part(_seven_bits(size) if version >= 4 else int.from_bytes(size, "big")) as frame:
            if kind in (b"TXXX", b"COMM") and frame.left > 1:
                yield _text(kind, frame.take(frame.left))


def _text(kind: bytes, data: bytes) -> tuple[str, str]:
    encoding = _ENCODINGS.get(data[0], "latin-1")
    body = data[4:] if kind == b"COMM" else data[1:]
    name, _, value = body.decode(encoding, "replace").partition("\0")
    key = "comment" if kind == b"COMM" else name
    return key, value.lstrip("\ufeff\ufffe").rstrip("\0")


def _seven_bits(data: bytes) -> int:
    return sum((each & 0x7F) << shift for each, shift in zip(data, (21, 14, 7, 0), strict=True))
