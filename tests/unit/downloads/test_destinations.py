"""Destinations: what may be filled, and that nothing is written anywhere else."""

import errno
import os
import random
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.downloads.destinations import Destination, destination
from comfypipe.downloads.linking import put_in_place
from comfypipe.errors import DownloadRefused, StoreError

PIECES = (
    "input", "models", "loras", "custom_nodes", "Custom_Nodes", "INPUT", "output", "..", ".", "...", "", "/", "//",
    "\\", "\\\\", "~", "~root", "C:", "c:\\", "\\\\host\\share", "%2e%2e", "..%2f", "%00", "\0",
    "a.png", "x.safetensors",
    ".hidden", "a b", " ", "a ", " a", "a.", "-rf", "$HOME", "`id`", "CON", "nul", "aux.txt",
    "COM1", "lpt9.png", "é", "\u202e",
    "\u2215", "\uff0f", "\u2024\u2024", "\ud800", "\n", "\r", "\t", "\x1b", "a" * 300, "é" * 150,
    "..\u200b", "input/..",
    "/etc/passwd", "/proc/self/mem", "file:///x", "models/../custom_nodes", "*", "?", "|", "<",
    ">", '"', "link", "dir",
)  # fmt: skip


def generated(count: int) -> list[str]:
    """Return paths made of pieces that have led out of folders somewhere, before places that are open."""
    draw = random.Random(4)  # noqa: S311  the same paths each time
    begins = (
        "input/",
        "models/loras/",
        "/input/",
        "/models/vae/",
        "models/",
        "",
        "/",
        "./",
        "input",
        "models/custom_nodes/",
    )
    paths = []
    for _ in range(count):
        parts = draw.choices(PIECES, k=draw.randint(1, 5))
        if draw.random() < 0.3:
            parts.append("".join(draw.choices(string.printable, k=draw.randint(1, 12))))
        paths.append(draw.choice(begins) + draw.choice(("/", "/", "/", "", "\\")).join(parts))
    return paths


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("input/a.png", ("input", "a.png")),
        ("/input/deep/er/a.png", ("input", "deep", "er", "a.png")),
        ("models/loras/x.safetensors", ("models", "loras", "x.safetensors")),
        ("/models/ipadapter/sdxl/ü x.bin", ("models", "ipadapter", "sdxl", "ü x.bin")),
    ],
)
def test_open_places(path: str, parts: tuple[str, ...]) -> None:
    """ComfyUI's input folder, and folders below its models, may be filled, with or without a slash before them."""
    assert (parts, "/".join(parts)) == (destination(path).parts, destination(path).name)


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "input", "input/", "/input/", "models", "models/x.safetensors", "models/loras/", "output/a.png",
        "custom_nodes/x.py", "models/custom_nodes/x.py", "input/custom_nodes/x.py", "models/../custom_nodes/x.py",
        "input/../models/loras/x", "input/../../etc/passwd", "//input/a", "///input/a", "/etc/passwd", "~/input/a",
        "./input/a", "input/./a", "input//a", "input\\a", "input/a\\..\\b", "C:/input/a",
        "input/a:stream", "input/a\0b",
        "input/a\nb", "input/a\x1b[0m", "input/\u202egnp.exe", "input/a\u200b", "input/.",
        "input/..", "input/a.", "input/a ",
        "input/CON", "input/con.png", "input/NUL.tar.gz", "models/aux/x",
        "models/loras/COM1.safetensors", "input/lpt¹",
        "input/" + "a" * 201, "input/" + "ü" * 101, "input/" + "a/" * 300 + "b", "Input/a.png", "MODELS/loras/x",
        "input/a*", "input/a?", 'input/"', "input/|", "input/<a>", "input/\ud800",
        "models/loras/..", "models/./x", "models//x",
    ],
)  # fmt: skip
def test_closed_places(path: str) -> None:
    """Everything else is refused: other roots, ways out, names that some system reads otherwise."""
    with pytest.raises(DownloadRefused, match="nothing may be put at"):
        destination(path)


@given(st.text(max_size=40), st.sampled_from(["", "/", "input/", "models/loras/"]))
def test_an_allowed_place_is_below_its_base(text: str, begin: str) -> None:
    """Whatever is allowed lies below the base, under the name that it has."""
    try:
        place = destination(begin + text)
    except DownloadRefused:
        return
    base = Path("/srv/ComfyUI")
    assert (base / place.name).resolve() == place.under(base)
    assert place.under(base).is_relative_to(base / place.parts[0])


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    """Of 10,000 generated destinations each is refused, or written below input or models; nothing else changes."""
    base, outside = tmp_path / "ComfyUI", tmp_path / "outside"
    for folder in (base / "input", base / "models" / "loras", base / "custom_nodes", base / "output", outside):
        folder.mkdir(parents=True)
    (base / "input" / "link").symlink_to(outside)
    (base / "models" / "loras" / "link").symlink_to(base / "custom_nodes")
    (base / "models" / "vae").symlink_to(outside)
    (base / "input" / "a.png").symlink_to(outside / "a.png")
    source = tmp_path / "source"
    source.write_bytes(b"payload")
    allowed = 0
    for path in generated(10_000):
        try:
            place = destination(path)
            put_in_place(source, place, base, "no digest", replace=True)
        except StoreError:
            continue
        allowed += 1
        written = place.under(base)
        assert written.resolve() == written
        assert b"payload" == written.read_bytes()
        written.unlink()
    assert allowed > 100
    assert ([], [], []) == tuple(list(folder.iterdir()) for folder in (outside, base / "custom_nodes", base / "output"))
    assert {"ComfyUI", "outside", "source"} == {path.name for path in tmp_path.iterdir()}
    assert {"input", "models", "custom_nodes", "output"} == {path.name for path in base.iterdir()}


def test_links_on_the_way_are_refused(tmp_path: Path) -> None:
    """A folder or file that is a link is not written through, and the hint says what to do."""
    base = tmp_path / "ComfyUI"
    (base / "models").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (base / "models" / "loras").symlink_to(tmp_path / "elsewhere")
    (base / "input").mkdir()
    (base / "input" / "a.png").symlink_to(tmp_path / "elsewhere" / "a.png")
    (base / "input" / "folder").mkdir()
    for name in ("models/loras/x.safetensors", "input/a.png", "input/folder"):
        with pytest.raises(DownloadRefused, match="is not put in place"):
            destination(name).prepare(base)


def test_the_base_itself_may_be_a_link(tmp_path: Path) -> None:
    """Where ComfyUI's folder is reached through a link, that is its owner's choice."""
    (tmp_path / "real").mkdir()
    (tmp_path / "ComfyUI").symlink_to(tmp_path / "real")
    place = Destination(("input", "a.png")).prepare(tmp_path / "ComfyUI")
    assert (tmp_path / "ComfyUI/input/a.png", True) == (place, (tmp_path / "real/input").is_dir())


def test_files_are_linked_and_kept_whole(tmp_path: Path) -> None:
    """A file is linked into place, not copied; the same one again changes nothing; another is refused or gives way."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"first!")
    second.write_bytes(b"second")
    place, base = destination("models/loras/x.bin"), tmp_path / "ComfyUI"
    path = put_in_place(first, place, base, "a", replace=False)
    assert path.samefile(first)
    assert path == put_in_place(first, place, base, "a", replace=False)
    with pytest.raises(DownloadRefused, match="is there already, and is another file"):
        put_in_place(second, place, base, "b", replace=False)
    assert b"first!" == path.read_bytes()
    assert put_in_place(second, place, base, "b", replace=True).samefile(second)
    assert ["x.bin"] == [each.name for each in path.parent.iterdir()]
    assert b"first!" == first.read_bytes()


def test_without_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another disk a file is copied, whole or not at all; what killed processes left long ago is removed."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    source, base = tmp_path / "source", tmp_path / "ComfyUI"
    source.write_bytes(b"payload")
    (base / "input").mkdir(parents=True)
    old, new = (base / "input" / f".{sign * 16}.partial" for sign in "ab")
    for each in (old, new):
        each.write_bytes(b"half")
    os.utime(old, (0, 0))
    path = put_in_place(source, destination("input/a.png"), base, "a", replace=False)
    assert (b"payload", 1) == (path.read_bytes(), path.stat().st_nlink)
    assert {"a.png", new.name} == {each.name for each in path.parent.iterdir()}
