"""Write WebM files a frame at a time: VP9 or AV1, without sound."""

import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from comfypipe.engine.pixels.values import Bytes
from comfypipe.engine.video.value import rounded

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

ENCODERS = {"vp9": ("libvpx-vp9", "yuv420p"), "av1": ("libsvtav1", "yuv420p10le")}
"""FFmpeg's name of the encoder, and the pixels that it is given."""


def write_webm(
    path: Path,
    frames: Iterable[Bytes],
    size: tuple[int, int],
    rate: Fraction,
    codec: str,
    crf: float,
    metadata: Mapping[str, str],
) -> None:
    """
    Write a WebM file without sound; the same frames always give the same bytes.

    Args:
        frames: Each (height, width, 3).
        size: Their width and height in pixels.
        rate: Frames a second; kept to a thousandth.
        codec: ``vp9`` or ``av1``.
        crf: Constant rate factor, 0 (best) to 63.
        metadata: Tags of the file.

    Raises:
        ValueError: Another codec; no frames; the frame rate is not one.
    """
    import av

    if codec not in ENCODERS:
        raise ValueError(f"codec: {codec!r}, expected one of {', '.join(ENCODERS)}")
    count = 0
    with av.open(path, mode="w", format="webm", options={"fflags": "+bitexact"}) as container:
        container.metadata.update(metadata)
        stream = _add_stream(container, size, rate, codec, crf)
        for count, pixels in enumerate(frames, 1):  # noqa: B007  counted for the check below
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        if not count:
            raise ValueError("images: there is no frame to write")
        container.mux(stream.encode(None))


def _add_stream(
    container: "OutputContainer", size: tuple[int, int], rate: Fraction, codec: str, crf: float
) -> "VideoStream":
    if codec == "av1":
        os.environ.setdefault("SVT_LOG", "1")  # else the encoder writes its settings to the terminal
    encoder, pixel_format = ENCODERS[codec]
    stream = cast("VideoStream", container.add_stream(encoder, rate=rounded(rate)))
    stream.width, stream.height = size
    stream.pix_fmt = pixel_format
    stream.bit_rate = 0
    stream.options.update({"crf": str(crf)} | ({"preset": "6"} if codec == "av1" else {}))
    return stream
