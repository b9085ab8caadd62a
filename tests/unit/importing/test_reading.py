"""What files hold, and why some hold nothing."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.importing import media
from tests.unit.importing.media import GRAPH, PROMPT

from comfypipe._types import JSON
from comfypipe.errors import ImportFailed
from comfypipe.importing.embedded.stream import MAX_TEXT_BYTES
from comfypipe.importing.reading import MAX_JSON_BYTES, Found, read_bytes, read_workflow

MAKERS: dict[str, tuple[str, str, Callable[[Path], Path]]] = {
    "png": ("a.png", "PNG", media.png),
    "compressed png": ("a.png", "PNG", lambda path: media.png(path, compressed=True)),
    "international png": ("a.png", "PNG", lambda path: media.png(path, international=True)),
    "international compressed png": ("a.png", "PNG", lambda path: media.png(path, compressed=True, international=True)),
    "animated png": ("a.png", "PNG", media.animated_png),
    "webp": ("a.webp", "WEBP", media.exif_picture),
    "jpeg": ("a.jpg", "JPEG", media.exif_picture),
    "big-endian jpeg": ("a.jpg", "JPEG", lambda path: media.exif_picture(path, big_endian=True)),
    "user comment": ("a.jpg", "JPEG", media.user_comment_picture),
    "user comment the other way round": (
        "a.jpg",
        "JPEG",
        lambda path: media.user_comment_picture(path, encoding="utf-16-le"),
    ),
    "plain user comment": (
        "a.jpg",
        "JPEG",
        lambda path: media.user_comment_picture(path, b"ASCII\0\0\0", "utf-8"),
    ),
    "mp4": ("a.mp4", "MP4", media.video),
    "mp4 comment": ("a.mp4", "MP4", lambda path: media.video(path, comment=True)),
    "mov": ("a.mov", "MP4", media.video),
    "mov comment": ("a.mov", "MP4", lambda path: media.video(path, comment=True)),
    "webm": ("a.webm", "WEBM", media.video),
    "mkv comment": ("a.mkv", "WEBM", lambda path: media.video(path, comment=True)),
    "flac": ("a.flac", "FLAC", media.sound),
    "mp3": ("a.mp3", "MP3", media.sound),
    "opus": ("a.opus", "Ogg", media.sound),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one file of every kind."""
    made = {}
    for kind, (name, _, make) in MAKERS.items():
        made[kind] = make(tmp_path_factory.mktemp("media") / name)
    return made


@pytest.mark.parametrize("kind", MAKERS)
def test_media_files_give_the_prompt_and_the_graph_in_them(kind: str, files: dict[str, Path]) -> None:
    """Whatever container they came in."""
    assert Found(MAKERS[kind][1], PROMPT, GRAPH) == read_workflow(files[kind])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (PROMPT, (PROMPT, None)),
        (GRAPH, (None, GRAPH)),
        ({"prompt": PROMPT, "client_id": "x", "extra_data": {"extra_pnginfo": {"workflow": GRAPH}}}, (PROMPT, GRAPH)),
        ({"output": PROMPT, "workflow": GRAPH}, (PROMPT, GRAPH)),
        ({"prompt": json.dumps(PROMPT)}, (PROMPT, None)),
    ],
)
def test_json_is_a_prompt_a_graph_or_wraps_them(document: JSON, expected: tuple[JSON, JSON]) -> None:
    """Bodies of submissions and the editor's own result are opened."""
    found = read_bytes(json.dumps(document).encode(), "a.json")
    assert expected == (found.prompt, found.graph)


def test_the_text_of_a_prompt_is_kept_as_it_is() -> None:
    """An export is to stay untouched, down to its white space; a byte order mark is none of it."""
    text = json.dumps(PROMPT, indent=7, ensure_ascii=False)
    assert Found("JSON", PROMPT, None, text) == read_bytes(b"\xef\xbb\xbf" + text.encode(), "a.json")


def test_what_is_no_number_is_null() -> None:
    """ComfyUI's server writes NaN and Infinity into what it saves."""
    text = '{"1": {"class_type": "A", "inputs": {"x": NaN, "y": -Infinity}, "is_changed": [NaN]}}'
    prompt = read_bytes(text.encode(), "a.json").prompt
    assert {"1": {"class_type": "A", "inputs": {"x": None, "y": None}, "is_changed": [None]}} == prompt


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "a.json is empty"),
        (b'{"nodes": [', "a.json is no JSON: Expecting value in line 1, column 12"),
        (b"[" * 100_000, "a.json cannot be read: it is nested too deeply"),
        (b"[" * 101 + b"]" * 101, "a.json cannot be read: it is nested too deeply"),
        (b"[1" + b"0" * 5000 + b"]", "a.json cannot be read: a number has too many digits"),
        (b"[1, 2]", "it is a list"),
        (b"{}", "it is empty"),
        (b"5", "it is a single value"),
        (b'{"a": 1}', 'but "a"'),
        (b'{"1": {"class_type": "A"}, "x": 2}', "a prompt without x"),
        (b"\x00\x01\x02\xff\xfe", "neither text nor a picture"),
        (b" " * (MAX_JSON_BYTES + 1), "larger than 64 MiB"),
        (b"\x89PNG\r\n\x1a\n", "a PNG file that breaks off or is damaged"),
        (b"\xff\xd8\xff\xd9", "a JPEG file without a workflow"),
    ],
)
def test_files_without_a_workflow_say_what_they_are(data: bytes, reason: str) -> None:
    """Each refusal names its reason."""
    with pytest.raises(ImportFailed) as caught:
        read_bytes(data, "a.json")
    assert reason in str(caught.value)


def test_missing_files_and_folders_say_so(tmp_path: Path) -> None:
    """What cannot be opened is an import that failed."""
    with pytest.raises(ImportFailed, match="cannot be read: No such file"):
        read_workflow(tmp_path / "gone.png")
    with pytest.raises(ImportFailed, match="is no file"):
        read_workflow(tmp_path)


def a_png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of these chunks."""
    made = b"\x89PNG\r\n\x1a\n"
    for kind, data in (*chunks, (b"IEND", b"")):
        made += len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    return made


def test_texts_that_blow_up_are_refused_before_they_fill_the_memory() -> None:
    """Decompression stops at the limit."""
    bomb = b"workflow\0\0" + zlib.compress(b" " * (MAX_TEXT_BYTES + 1), 9)
    with pytest.raises(ImportFailed, match="damaged"):
        read_bytes(a_png((b"zTXt", bomb)), "a.png")


def test_texts_of_other_programs_are_passed_over() -> None:
    """Only what has the shape of a workflow counts."""
    found = read_bytes(
        a_png(
            (b"tEXt", b"parameters\0{not json"),
            (b"tEXt", b"Software\0{}"),
            (b"tEXt", b"workflow\0" + json.dumps(GRAPH).encode()),
        ),
        "a.png",
    )
    assert Found("PNG", None, GRAPH) == found


def test_a_file_that_breaks_off_after_its_workflow_is_read() -> None:
    """What came before the break counts."""
    whole = a_png((b"tEXt", b"workflow\0" + json.dumps(GRAPH).encode()), (b"IDAT", b"x" * 1000))
    assert Found("PNG", None, GRAPH) == read_bytes(whole[:-800], "a.png")


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(list(MAKERS)))
def test_damaged_files_are_read_or_refused(data: Any, kind: str, files: dict[str, Path]) -> None:
    """Cut anywhere, bytes changed anywhere: a result or a refusal, and soon."""
    content = bytearray(files[kind].read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read_bytes(cut, "a.bin")
    except ImportFailed as error:
        assert error.message.startswith("a.bin ")  # noqa: PT017  a refusal is as good as a result


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x08free" * 1_000_000,
        b"OggS" + (b"\0" * 22 + b"\xff" + b"\xff" * 255 + b"x" * 65025 + b"OggS") * 20,
        b"\x1aE\xdf\xa3\x80" + b"\xec\x80" * 2_000_000,
        b"RIFF\0\0\0\0WEBP" + b"JUNK\0\0\0\0" * 1_000_000,
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"TXXX\0\0\0\0\0\0" * 500_000,
        b"\xff\xd8\xff\xe0" + b"\0\2\xff\xe0" * 1_000_000,
    ],
)
def test_files_of_endless_small_parts_take_little_time(data: bytes) -> None:
    """There is a most that is looked at."""
    with pytest.raises(ImportFailed):
        read_bytes(data, "a.bin")
