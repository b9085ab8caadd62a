"""
Comments of FLAC and Ogg (Opus, Vorbis) files.

Source: RFC 9639 (FLAC) section 8; RFC 3533 (Ogg); RFC 7845 (Opus in Ogg) section 5.2; the Vorbis I comment header.
"""

from collections.abc import Iterator

from comfypipe.importing.embedded.png import decode
from comfypipe.importing.embedded.stream import MAX_TEXT_BYTES, Broken, Stream

_COMMENT_BLOCK = 4
_HEADERS = (b"OpusTags", b"\x03vorbis")


def flac_texts(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the comments of a FLAC file by name."""
    stream.skip(4)
    last = False
    while not last:
        header = stream.number(1)
        last = bool(header & 0x80)
        with stream.part(stream.number(3)) as block:
            if header & 0x7F == _COMMENT_BLOCK:
                yield from comments(block)


def comments(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a comment block, which names its writer first."""
    stream.skip(stream.number(4, "little"))
    for _ in range(stream.number(4, "little")):
        name, _, value = decode(stream.take(stream.number(4, "little"))).partition("=")
        yield name, value
        stream.skip(0)


def ogg_texts(stream: Stream) -> Iterator[tuple[str, str]]:
    """Yield the comments of an Ogg file by name: those in the second packet of a stream."""
    from io import BytesIO

    for packet in _packets(stream):
        header = next((each for each in _HEADERS if packet.startswith(each)), None)
        if header is not None:
            yield from comments(Stream(BytesIO(packet[len(header) :])))
            return


def _packets(stream: Stream) -> Iterator[bytes]:
    """Yield the first packets of each stream in the file, put together from their pages."""
    open_packets: dict[bytes, bytearray] = {}
    for serial, sizes in _pages(stream):
        for size in sizes:
            packet = open_packets.setdefault(serial, bytearray())
            packet += stream.take(size)
            if sum(map(len, open_packets.values())) > MAX_TEXT_BYTES:
                raise Broken
            if size < 255:
                yield bytes(open_packets.pop(serial))


def _pages(stream: Stream) -> Iterator[tuple[bytes, bytes]]:
    while stream.left >= 27:
        if stream.take(4) != b"OggS":
            raise Broken
        stream.skip(10)
        serial = stream.take(4)
        stream.skip(8)
        yield serial, stream.take(stream.number(1))
