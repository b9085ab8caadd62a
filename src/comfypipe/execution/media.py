"""What a file is: its first bytes say, else its name."""

from mimetypes import MimeTypes
from pathlib import Path

_SNIFFED_BYTES = 32
_MORE_SUFFIXES = {
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".flac": "audio/flac",
    ".opus": "audio/ogg",
    ".ogg": "audio/ogg",
    ".glb": "model/gltf-binary",
}

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (8, b"WAVE", "audio/x-wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"glTF", "model/gltf-binary"),
)
"""Offset, bytes, and the type that they mean. Matroska and WebM share theirs: the name tells them apart."""


def media_type(path: Path, filename: str) -> str:
    """Return the media type of the file at *path*, whose own name is *filename*."""
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    for offset, signature, kind in _SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    return named_type(filename)


def named_type(filename: str) -> str:
    """Return the media type that a file's name stands for."""
    # Without the system's tables: the same answer on every machine.
    known = _MORE_SUFFIXES.get(suffix_of(filename)) or MimeTypes().guess_type(filename, strict=False)[0]
    return known or "application/octet-stream"


def media_of(kind: str) -> str:
    """Return the input type that takes files of a media type: ``image``, ``video``, ``audio`` or ``file``."""
    family = kind.split("/", 1)[0]
    return family if family in ("image", "video", "audio") else "file"


def suffix_of(filename: str) -> str:
    """Return the suffix of a file name where it is a plain one, else nothing."""
    suffix = Path(filename).suffix
    return suffix.lower() if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10 else ""
