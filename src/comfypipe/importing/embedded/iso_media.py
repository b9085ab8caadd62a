"""
Metadata of MP4, MOV and M4A files.

Source: ISO/IEC 14496-12 (boxes); Apple's QuickTime File Format, metadata (``keys``, ``ilst``) and user data.
"""

from collections.abc import Iterator

from comfypipe.importing.embedded.png import decode
from comfypipe.importing.embedded.stream import Stream

_HOLDERS = (b"moov", b"udta", b"meta")
_NAMES = {b"\xa9cmt": "comment", b"\xa9des": "description", b"desc": "description"}


def texts(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the metadata texts of the file by key."""
    yield from _boxes(stream, 0)


def _boxes(stream: Stream, depth: int) -> Iterator[tuple[str, str]]:
    keys: list[str] = []
    for kind, box in _children(stream):
        if kind in _HOLDERS and depth < 4:
            if kind == b"meta":
                _enter_meta(box)
            yield from _boxes(box, depth + 1)
        elif kind == b"keys":
            keys = list(_keys(box))
        elif kind == b"ilst":
            yield from _items(box, keys)
        elif kind in _NAMES and box.left > 4:
            box.skip(4)
            yield _NAMES[kind], decode(box.take(box.left))


def _children(stream: Stream) -> Iterator[tuple[bytes, Stream]]:
    while stream.left >= 8:
        size = stream.number(4)
        kind = stream.take(4)
        header = 8
        if size == 1:
            size, header = stream.number(8), 16
        with stream.part(stream.left if size == 0 else size - header) as box:
            yield kind, box


def _enter_meta(box: Stream) -> None:
    """Pass over the version of a ``meta`` box, which QuickTime's own does not have."""
    if box.left >= 8 and box.take(8)[4:8] != b"hdlr":
        box.back(4)
    else:
        box.back(8)


def _keys(box: Stream) -> Iterator[str]:
    box.skip(8)
    for kind, key in _children(box):
        name = decode(key.take(key.left))
        yield name.rpartition(".")[2] if kind == b"mdta" else name


def _items(box: Stream, keys: list[str]) -> Iterator[tuple[str, str]]:
    for kind, item in _children(box):
        index = int.from_bytes(kind, "big")
        name = _NAMES.get(kind) or (keys[index - 1] if 0 < index <= len(keys) else None)
        for part, data in _children(item):
            if part == b"name" and kind == b"----" and data.left > 4:
                data.skip(4)
                name = decode(data.take(data.left))
            elif part == b"data" and name is not None and data.left >= 8:
                data.skip(8)
                yield name, decode(data.take(data.left))
