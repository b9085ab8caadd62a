"""Reading image files with Pillow, as ComfyUI does: every frame, upright, with alpha apart."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, ImageSequence

from comfypipe.engine.pixels.values import Bytes

LIMIT_PIXELS = 16384 * 16384
"""Pixels of one file, all frames together: what ComfyUI's largest side gives, and no more."""

_switches = threading.Lock()
"""Pillow keeps its limit and its leniency in module attributes: one reader at a time changes them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """
    One picture of a file.

    Attributes:
        color: (height, width, 3); colours under transparency are as stored.
        alpha: (height, width), or None where the picture has none.
    """

    color: Bytes
    alpha: Bytes | None


def read_frames(path: Path) -> list[Frame]:
    """
    Read all frames of a file that are as large as its first; of MPO files only the first.

    A file that breaks off is read as far as it goes, the rest black. Deeper samples than 8 bits are clipped or cut as
    Pillow does it.

    Raises:
        PIL.UnidentifiedImageError: The file is no image.
        ValueError: It has more pixels than `LIMIT_PIXELS`.
        OSError: It cannot be read.
    """
    with _opened(path) as image:
        frames: list[Frame] = []
        pixels = 0
        for each in ImageSequence.Iterator(image):
            pixels += _checked_pixels(path, each, pixels)
            frame = _frame(_upright(each))
            if not frames or frame.color.shape == frames[0].color.shape:
                frames.append(frame)
            if image.format == "MPO":
                break
        return frames


def read_channel(path: Path, channel: str) -> Bytes:
    """
    Read one channel (``R``, ``G``, ``B`` or ``A``) of a file's first frame, with its transparency made alpha.

    Returns:
        (height, width)

    Raises:
        PIL.UnidentifiedImageError: The file is no image.
        ValueError: It has more pixels than `LIMIT_PIXELS`.
        OSError: It cannot be read.
    """
    with _opened(path) as image:
        _checked_pixels(path, image, 0)
        upright = _scaled_down(_upright(image))
        full = upright if upright.mode == "RGBA" else upright.convert("RGBA")
        return np.asarray(full.getchannel(channel))


def read_color(path: Path) -> Image.Image:
    """
    Read a file's first frame as RGB, without turning it upright.

    Raises:
        PIL.UnidentifiedImageError: The file is no image.
        ValueError: It has more pixels than `LIMIT_PIXELS`.
        OSError: It cannot be read.
    """
    with _opened(path) as image:
        _checked_pixels(path, image, 0)
        _load(image)
        return _scaled_down(image).convert("RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with _switches:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with Image.open(path) as image:
                yield image
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _checked_pixels(path: Path, image: Image.Image, before: int) -> int:
    pixels = image.width * image.height
    if before + pixels > LIMIT_PIXELS:
        raise ValueError(
            f"{path.name}: {image.width} x {image.height} pixels{' in one more frame' if before else ''} are too many: "
            f"the limit is {LIMIT_PIXELS} in all frames together"
        )
    return pixels


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except (OSError, ValueError):
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
        try:
            image.load()
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def _upright(image: Image.Image) -> Image.Image:
    _load(image)
    if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def _scaled_down(image: Image.Image) -> Image.Image:
    return image.point(lambda value: value * (1 / 255)) if image.mode == "I" else image


def _frame(image: Image.Image) -> Frame:
    shown = _scaled_down(image)
    if shown.mode == "P" and "transparency" in shown.info:
        shown = shown.convert("RGBA")
    color = shown if shown.mode == "RGB" else shown.convert("RGB")
    alpha = np.asarray(shown.getchannel("A")) if "A" in shown.getbands() else None
    return Frame(np.asarray(color), alpha)
