"""Small pictures of files."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from comfypipe.reports.thumbnails import thumbnail


def opened(content: bytes | None) -> Image.Image:
    """Return the picture that a thumbnail is."""
    assert content is not None
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
def test_pictures_of_every_mode_are_made_small(tmp_path: Path, mode: str) -> None:
    """The longer side is as asked, the proportions stay."""
    suffix = "tif" if mode == "CMYK" else "png"
    Image.new(mode, (640, 320)).save(tmp_path / f"x.{suffix}")
    made = opened(thumbnail(tmp_path / f"x.{suffix}", f"image/{suffix}", size_px=64))
    assert ("WEBP", (64, 32)) == (made.format, made.size)


def test_a_rotated_photograph_stands_upright(tmp_path: Path) -> None:
    """The orientation that the camera noted is followed."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 200)).save(tmp_path / "x.jpg", exif=exif)
    assert (32, 64) == opened(thumbnail(tmp_path / "x.jpg", "image/jpeg", size_px=64)).size


def test_a_video_shows_its_first_frame(tmp_path: Path) -> None:
    """A red film has a red thumbnail."""
    with av.open(str(tmp_path / "x.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        red = np.zeros((32, 64, 3), np.uint8)
        red[..., 0] = 255
        for packet in (*stream.encode(av.VideoFrame.from_ndarray(red)), *stream.encode(None)):
            file.mux(packet)
    made = opened(thumbnail(tmp_path / "x.mp4", "video/mp4")).convert("RGB")
    pixel = made.getpixel((32, 16))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 200 > 60 > max(pixel[1:])


@pytest.mark.parametrize("kind", ["image/png", "video/mp4", "image/svg+xml"])
def test_a_broken_file_has_none(tmp_path: Path, kind: str) -> None:
    """Bytes that are no picture are no error either."""
    (tmp_path / "x").write_bytes(b"<svg onload='x'/>")
    assert thumbnail(tmp_path / "x", kind) is None


def test_a_bomb_is_not_decoded(tmp_path: Path) -> None:
    """A picture of more pixels than anybody looks at gets no thumbnail."""
    Image.new("1", (20_000, 20_000)).save(tmp_path / "x.png")
    assert thumbnail(tmp_path / "x.png", "image/png") is None
