"""Which container a file is, by its first bytes, and what texts lie in it."""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, TypeAlias

from comfypipe.importing.embedded import exif, id3, iso_media, matroska, png, vorbis
from comfypipe.importing.embedded.stream import MAX_TEXT_BYTES, Broken, Stream

Reader: TypeAlias = Callable[[Stream], Iterator[tuple[str, str]]]

_READERS: Mapping[str, Reader] = {
    "PNG": png.texts,
    "WEBP": exif.webp_texts,
    "JPEG": exif.jpeg_texts,
    "MP4": iso_media.texts,
    "WEBM": matroska.texts,
    "FLAC": vorbis.flac_texts,
    "Ogg": vorbis.ogg_texts,
    "MP3": id3.texts,
}


def container(start: bytes) -> str | None:
    """Return the container that a file's first bytes (16 do) are of, or None."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "MP4"
    if start[:2] == b"\xff\xfb" or start[:2] in (b"\xff\xf3", b"\xff\xf2"):
        return "MP3"
    magic = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"\x1aE\xdf\xa3": "WEBM", b"fLaC": "FLAC", b"OggS": "Ogg"}
    return next((name for bytes_, name in {**magic, b"ID3": "MP3"}.items() if start.startswith(bytes_)), None)


def embedded_texts(file: BinaryIO) -> tuple[str, list[tuple[str, str]], bool] | None:
    """
    Return the container's name, the texts in *file* by key, and whether it is whole; None for other files.

    A file that breaks off gives what was found up to there. No more than 64 MiB of text are taken.
    """
    name = container(file.read(16))
    file.seek(0)
    if name is None:
        return None
    found: list[tuple[str, str]] = []
    total = 0
    try:
        for key, text in _READERS[name](Stream(file)):
            total += len(key) + len(text)
            if total > MAX_TEXT_BYTES:
                raise Broken
            found.append((key, text))
    except Broken:
        return name, found, False
    return name, found, True
