"""
Text chunks of PNG files.

Source: PNG specification (third edition) 11.3.3; ``comf`` chunks are those of ComfyUI's ``SaveAnimatedPNG``.
"""

import zlib
from collections.abc import Iterator

from comfypipe.importing.embedded.stream import MAX_TEXT_BYTES, Broken, Stream

_TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"comf")


def texts(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the texts of a PNG file by keyword."""
    stream.skip(8)
    while stream.left:
        size = stream.number(4)
        kind = stream.take(4)
        if kind in _TEXT_CHUNKS:
            yield _text(kind, stream.take(size))
            stream.skip(4)
        else:
            stream.skip(size + 4)
        if kind == b"IEND":
            return
    raise Broken


def _text(kind: bytes, data: bytes) -> tuple[str, str]:
    keyword, _, rest = data.partition(b"\0")
    if kind == b"zTXt":
        rest = inflate(rest[1:])
    elif kind == b"iTXt":
        compressed, rest = rest[:1] == b"\1", rest[2:]
        rest = rest.split(b"\0", 2)[2] if rest.count(b"\0") >= 2 else b""
        rest = inflate(rest) if compressed else rest
    return keyword.decode("latin-1"), decode(rest)


def inflate(data: bytes) -> bytes:
    """
    Return what zlib-compressed *data* holds.

    Raises:
        Broken: It is damaged, or holds more than 64 MiB.
    """
    worker = zlib.decompressobj()
    try:
        text = worker.decompress(data, MAX_TEXT_BYTES)
    except zlib.error as error:
        raise Broken from error
    if worker.unconsumed_tail:
        raise Broken
    return text


def decode(data: bytes) -> str:
    """Return text that is UTF-8, or Latin-1 where it is not."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
