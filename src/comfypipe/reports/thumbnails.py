"""Small pictures of files: of images as they are, of videos their first frame."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_MOST_PIXELS = 100_000_000
"""Larger pictures get no thumbnail: a file from outside must not fill the memory."""


def thumbnail(path: Path, media_type: str, *, size_px: int = 320, quality: int = 78) -> bytes | None:
    """
    Return a WEBP of at most *size_px* on its longer side; None for files that have no picture, or a broken one.

    Deterministic for one version of Pillow. Rotated as EXIF says. Blocks; threads may call it at the same time.
    """
    import av
    from PIL import Image

    broken = (OSError, ValueError, SyntaxError, ArithmeticError, Image.DecompressionBombError, av.FFmpegError)
    try:
        picture = _frame(path) if media_type.startswith("video/") else _image(path, size_px)
    except broken:
        return None  # broken or foreign: the page shows the file's name in its place
    if picture is None:
        return None
    picture.thumbnail((size_px, size_px), Image.Resampling.BOX, reducing_gap=2.0)
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=quality, method=2)
    return written.getvalue()


def _image(path: Path, size_px: int) -> "Image | None":
    from PIL import Image, ImageOps

    with Image.open(path, formats=_FORMATS) as opened:
        if opened.width * opened.height > _MOST_PIXELS:
            return None
        opened.draft("RGB", (size_px * 2, size_px * 2))  # JPEG decodes small at once
        picture = ImageOps.exif_transpose(opened)
        if picture.mode.startswith("I") or picture.mode == "F":
            return picture.convert("I").point(lambda value: value / 256).convert("L")
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _frame(path: Path) -> "Image | None":
    import av
    from PIL import Image

    with av.open(str(path), metadata_errors="ignore") as source:
        if not source.streams.video:
            return None
        for frame in source.decode(source.streams.video[0]):
            if frame.width * frame.height > _MOST_PIXELS:
                return None
            return Image.fromarray(frame.to_ndarray(format="rgb24"))
    return None
