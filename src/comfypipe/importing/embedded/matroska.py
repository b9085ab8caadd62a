"""
Tags of Matroska and WEBM files.

Source: RFC 8794 (EBML) and RFC 9559 (Matroska), sections on tags.
"""

from collections.abc import Iterator

from comfypipe.importing.embedded.png import decode
from comfypipe.importing.embedded.stream import Broken, Stream

_SEGMENT, _TAGS, _TAG, _SIMPLE_TAG = 0x18538067, 0x1254C367, 0x7373, 0x67C8
_TAG_NAME, _TAG_STRING, _CLUSTER = 0x45A3, 0x4487, 0x1F43B675
_HOLDERS = (_SEGMENT, _TAGS, _TAG)


def texts(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the tags of the file by name."""
    yield from _elements(stream, 0)


def _elements(stream: Stream, depth: int) -> Iterator[tuple[str, str]]:
    for kind, element in _children(stream):
        if kind in _HOLDERS and depth < 4:
            yield from _elements(element, depth + 1)
        elif kind == _SIMPLE_TAG:
            yield from _simple_tag(element)


def _simple_tag(element: Stream) -> Iterator[tuple[str, str]]:
    name = value = None
    for kind, part in _children(element):
        if kind == _TAG_NAME:
            name = decode(part.take(part.left))
        elif kind == _TAG_STRING:
            value = decode(part.take(part.left).rstrip(b"\0"))
    if name is not None and value is not None:
        yield name, value


def _children(stream: Stream) -> Iterator[tuple[int, Stream]]:
    while stream.left >= 2:
        kind = _number(stream, keep_marker=True)
        size = _number(stream, keep_marker=False)
        if size is None:  # of unknown length: live recordings; tags do not follow clusters of that kind
            if kind == _CLUSTER:
                return
            size = stream.left
        with stream.part(size) as element:
            yield kind or 0, element


def _number(stream: Stream, *, keep_marker: bool) -> int | None:
    """Return a number of variable length; None for the length that says ``unknown``."""
    first = stream.number(1)
    length = 9 - first.bit_length()
    if length > 8:
        raise Broken
    rest = stream.take(length - 1)
    whole = int.from_bytes(bytes([first]) + rest, "big")
    if keep_marker:
        return whole
    value = whole & ~(1 << (7 * length))
    return None if value == (1 << (7 * length)) - 1 else value
