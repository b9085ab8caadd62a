"""
Exif texts of WEBP and JPEG files.

ComfyUI writes them as ``workflow:{…}`` and ``prompt:{…}`` into text tags of its choice; other programs put JSON into
the user comment.

Source: TIFF 6.0, section 2; Exif 2.3, 4.6; the RIFF container of WEBP; JPEG, annex B.
"""

import struct
from collections.abc import Iterator

from comfypipe.importing.embedded.png import decode
from comfypipe.importing.embedded.stream import Broken, Stream

_EXIF_POINTER = 0x8769
_USER_COMMENT = 0x9286
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_ASCII = 2


def webp_texts(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the Exif texts of a WEBP file."""
    stream.skip(12)
    while stream.left >= 8:
        kind = stream.take(4)
        size = stream.number(4, "little")
        if kind == b"EXIF":
            yield from exif_texts(stream.take(size))
            stream.skip(min(size % 2, stream.left))
        else:
            stream.skip(min(size + size % 2, stream.left) if size <= stream.left else size)


def jpeg_texts(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the Exif texts and the comments of a JPEG file."""
    stream.skip(2)
    while stream.left >= 4:
        marker = stream.number(2)
        if marker & 0xFF00 != 0xFF00 or marker in (0xFFDA, 0xFFD9):
            return
        if marker == 0xFFFF:
            stream.skip(0)
            continue
        data = stream.take(max(stream.number(2), 2) - 2)
        stream.skip(0)
        if marker == 0xFFE1 and data.startswith(b"Exif\0"):
            yield from exif_texts(data)
        elif marker == 0xFFFE:
            yield "comment", decode(data)


def exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """
    Yield the texts of an Exif block: ``key:text`` ones by their key, the user comment as ``comment``.

    Raises:
        Broken: A directory or a value lies outside the block.
    """
    data = data.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise Broken
    try:
        waiting, seen = [struct.unpack_from(f"{order}I", data, 4)[0]], set[int]()
        while waiting:
            offset = waiting.pop()
            if offset in seen:
                continue
            seen.add(offset)
            for tag, kind, raw in _entries(data, offset, order):
                if tag == _EXIF_POINTER and len(raw) == 4:
                    waiting.append(struct.unpack(f"{order}I", raw)[0])
                elif kind == _ASCII or tag == _USER_COMMENT:
                    yield _keyed(raw if kind == _ASCII else _comment(raw, order))
    except struct.error as error:
        raise Broken from error


def _entries(data: bytes, offset: int, order: str) -> Iterator[tuple[int, int, bytes]]:
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    for at in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, at)
        size = _TYPE_SIZES.get(kind, 1) * length
        start = at + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, at + 8)[0]
        if start + size > len(data):
            raise Broken
        if kind == _ASCII or tag in (_EXIF_POINTER, _USER_COMMENT):
            yield tag, kind, data[start : start + size]


def _comment(raw: bytes, order: str) -> bytes:
    coding, text = raw[:8], raw[8:]
    if coding.startswith(b"UNICODE"):
        wide = text.decode("utf-16-le" if order == "<" else "utf-16-be", "replace")
        if not wide.lstrip().startswith("{"):  # writers disagree about the order of its bytes
            wide = text.decode("utf-16-be" if order == "<" else "utf-16-le", "replace")
        return wide.encode("utf-8", "replace")
    return text if coding.startswith((b"ASCII", b"\0")) else raw


def _keyed(raw: bytes) -> tuple[str, str]:
    text = decode(raw.rstrip(b"\0"))
    key, colon, rest = text.partition(":")
    return (key, rest) if colon and key.isalnum() else ("comment", text)
