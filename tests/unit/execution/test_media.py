"""What a file is."""

from pathlib import Path

import pytest

from comfypipe.execution.media import media_of, media_type, suffix_of


@pytest.mark.parametrize(
    ("filename", "content", "expected"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\nxxxx", "image/png"),
        ("a.png", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("a.mp4", b"\x00\x00\x00\x18ftypisom", "video/mp4"),
        ("a.m4a", b"\x00\x00\x00\x18ftypM4A ", "audio/mp4"),
        ("a.webm", b"\x1aE\xdf\xa3", "video/webm"),
        ("a.mkv", b"\x1aE\xdf\xa3", "video/x-matroska"),
        ("a.flac", b"fLaC", "audio/flac"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVE", "audio/x-wav"),
        ("a.mp3", b"ID3\x04", "audio/mpeg"),
        ("a.txt", b"hello", "text/plain"),
        ("a.json", b"{}", "application/json"),
        ("a.latent", b"\x00", "application/octet-stream"),
        ("a", b"", "application/octet-stream"),
    ],
)
def test_the_first_bytes_say_then_the_name(tmp_path: Path, filename: str, content: bytes, expected: str) -> None:
    """A wrong suffix does not mislead; where the bytes say nothing the suffix does."""
    (tmp_path / "file").write_bytes(content)
    assert expected == media_type(tmp_path / "file", filename)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("image/png", "image"), ("video/mp4", "video"), ("audio/flac", "audio"), ("text/plain", "file")],
)
def test_the_family_is_the_input_type(kind: str, expected: str) -> None:
    """What a step gave fits inputs of its family; anything else is a plain file."""
    assert expected == media_of(kind)


@pytest.mark.parametrize(
    ("filename", "expected"),
    [("a.PNG", ".png"), ("a.tar.gz", ".gz"), ("a", ""), ("a.b/c", ""), ("a.p?g", ""), ("a.waytoolongsuffix", "")],
)
def test_only_plain_suffixes_are_kept(filename: str, expected: str) -> None:
    """A suffix from outside becomes part of a file name only when it is letters and digits."""
    assert expected == suffix_of(filename)
