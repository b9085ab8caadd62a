"""Reading image files, good and bad."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from comfypipe.engine.pixels import decode
from comfypipe.engine.pixels.decode import read_channel, read_color, read_frames


def samples(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Return random samples."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng([height, channels]).integers(0, 256, shape, np.uint8)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    """Save and return where."""
    image.save(path, **options)  # type: ignore[arg-type]  # each format has its own
    return path


def test_colors_under_transparency_are_as_stored(tmp_path: Path) -> None:
    """Alpha comes apart, and colours are not multiplied by it."""
    stored = samples(5, 6, 4)
    (frame,) = read_frames(saved(tmp_path / "a.png", Image.fromarray(stored)))
    assert frame.alpha is not None
    np.testing.assert_array_equal(stored[..., :3], frame.color)
    np.testing.assert_array_equal(stored[..., 3], frame.alpha)


@pytest.mark.parametrize(
    ("mode", "has_alpha"),
    [("L", False), ("LA", True), ("P", False), ("1", False), ("CMYK", False), ("I;16", False), ("PA", True)],
)
def test_every_mode_becomes_rgb(mode: str, has_alpha: bool, tmp_path: Path) -> None:
    """Colours are Pillow's conversion; alpha is found where a mode has it."""
    source = Image.fromarray(samples(5, 6, 4 if has_alpha else 3))
    image = Image.fromarray(samples(5, 6, 1).astype(np.uint16) * 257) if mode == "I;16" else source.convert(mode)
    path = saved(tmp_path / ("a.tif" if mode in ("CMYK", "PA") else "a.png"), image)
    with Image.open(path) as stored:
        expected, has_alpha = np.asarray(stored.convert("RGB")), has_alpha and "A" in stored.getbands()
    (frame,) = read_frames(path)
    np.testing.assert_array_equal(expected, frame.color)
    assert has_alpha == (frame.alpha is not None)


def test_sixteen_bits_of_grey_are_clipped(tmp_path: Path) -> None:
    """Pillow's conversion takes 256 and more for white; so a real server shows such images."""
    image = Image.fromarray(np.array([[0, 100, 255, 256, 65535]], np.uint16))
    (frame,) = read_frames(saved(tmp_path / "a.png", image))
    assert [0, 100, 255, 255, 255] == frame.color[0, :, 0].tolist()


@pytest.mark.parametrize("transparency", [1, bytes([255, 128, 0])])
def test_palettes_may_be_transparent(transparency: int | bytes, tmp_path: Path) -> None:
    """One transparent entry, or an alpha for each, becomes alpha; colours stay those of the palette."""
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    path = saved(tmp_path / "a.png", image, transparency=transparency)
    (frame,) = read_frames(path)
    assert frame.alpha is not None
    assert [[10, 20, 30], [40, 50, 60], [70, 80, 90]] == frame.color[0].tolist()
    assert ([255, 0, 255] if transparency == 1 else [255, 128, 0]) == frame.alpha[0].tolist()


def test_a_transparent_color_is_alpha_for_masks_only(tmp_path: Path) -> None:
    """The colour key of an RGB file is no alpha for images, but is for channels."""
    path = saved(tmp_path / "a.png", Image.new("RGB", (2, 1), (1, 2, 3)), transparency=(1, 2, 3))
    assert read_frames(path)[0].alpha is None
    assert [[0, 0]] == read_channel(path, "A").tolist()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(orientation: int, tmp_path: Path) -> None:
    """All eight ways in which a camera can be held are turned back, in images and in channels."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = saved(tmp_path / "a.png", Image.fromarray(samples(5, 6, 3)), exif=exif)
    shape = (5, 6) if orientation < 5 else (6, 5)
    (frame,) = read_frames(path)
    assert (*shape, 3) == frame.color.shape
    np.testing.assert_array_equal(frame.color[..., 0], read_channel(path, "R"))
    assert (6, 5) == read_color(path).size


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_every_frame_is_read(suffix: str, tmp_path: Path) -> None:
    """Animations give all frames, channels and plain colours their first one."""
    frames = [Image.new("RGB", (4, 3), (index * 60, 0, 0)) for index in range(4)]
    path = saved(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], lossless=True)
    assert [0, 60, 120, 180] == [int(each.color[0, 0, 0]) for each in read_frames(path)]
    assert [0, 0] == [read_channel(path, "R")[0, 0], np.asarray(read_color(path))[0, 0, 0]]


def test_frames_of_other_sizes_are_left_out(tmp_path: Path) -> None:
    """A file of several pages gives those that fit the first."""
    pages = [Image.new("L", size, 9) for size in ((4, 3), (5, 5), (4, 3))]
    path = saved(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])
    assert [(3, 4, 3), (3, 4, 3)] == [each.color.shape for each in read_frames(path)]


def test_of_multi_picture_files_only_the_first_is_read(tmp_path: Path) -> None:
    """Cameras put previews behind the picture."""
    pictures = [Image.new("RGB", (16, 16), (index * 200, 0, 0)) for index in range(2)]
    path = saved(tmp_path / "a.mpo", pictures[0], format="MPO", save_all=True, append_images=pictures[1:])
    assert [0] == [int(each.color[0, 0, 0]) for each in read_frames(path)]


READERS: list[Callable[[Path], object]] = [read_frames, lambda path: read_channel(path, "R"), read_color]


@pytest.mark.parametrize("read", READERS)
def test_truncated_files_are_read_as_far_as_they_go(read: Callable[[Path], object], tmp_path: Path) -> None:
    """What is missing is black; Pillow's switch for this is set back."""
    path = saved(tmp_path / "a.png", Image.fromarray(samples(90, 90, 3)))
    path.write_bytes(path.read_bytes()[:9000])
    read(path)
    (frame,) = read_frames(path)
    assert frame.color[:10].any()
    assert not frame.color[-10:].any()
    with Image.open(path) as image, pytest.raises(OSError, match="truncated"):
        image.load()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a"])
def test_what_is_no_image_is_named(content: bytes, read: Callable[[Path], object], tmp_path: Path) -> None:
    """The error has the file's name."""
    path = tmp_path / "note.png"
    path.write_bytes(content)
    with pytest.raises(UnidentifiedImageError, match=r"note\.png"):
        read(path)


@pytest.mark.parametrize("read", READERS)
def test_bombs_are_refused_before_they_are_unpacked(read: Callable[[Path], object], tmp_path: Path) -> None:
    """A header that promises more pixels than a side of 16384 allows is an error that names file and limit."""
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_header(40_000, 30_000))
    with pytest.raises(ValueError, match=r"bomb\.png: 40000 x 30000 pixels .* the limit is 268435456"):
        read(path)


def test_large_pictures_do_not_warn(tmp_path: Path) -> None:
    """Pillow's own, lower limit is lifted while a file is read, and only then."""
    path = tmp_path / "large.png"
    path.write_bytes(_png_header(16384, 16384))
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(), decode._opened(path) as image:
        warnings.simplefilter("error")
        assert (16384, 16384) == image.size
    assert before == Image.MAX_IMAGE_PIXELS


def test_the_limit_counts_all_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many frames are as heavy as many pixels."""
    frames = [Image.new("L", (10, 10), index) for index in range(5)]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    monkeypatch.setattr(decode, "LIMIT_PIXELS", 450)
    with pytest.raises(ValueError, match="in one more frame"):
        read_frames(path)


def _png_header(width: int, height: int) -> bytes:
    stream = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    stream.seek(0, io.SEEK_END)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        stream.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    return stream.getvalue()
