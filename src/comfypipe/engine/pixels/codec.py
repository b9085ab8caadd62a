"""The traces that video compression leaves in a picture."""

import io
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from comfypipe.engine import x264
from comfypipe.engine.pixels.values import Bytes, Floats, from_bytes, to_bytes

if TYPE_CHECKING:
    from av.video.stream import VideoStream


def recompressed(images: Floats, crf: int) -> Floats:
    """
    Encode each image as one H.264 picture and decode it again.

    Args:
        images: (batch, height, width, 3).
        crf: x264's constant rate factor: more is coarser.

    Returns:
        The same images, an odd last row or column left out.

    Raises:
        ValueError: There is no pixel left.
    """
    height, width = (size // 2 * 2 for size in images.shape[1:3])
    if not height or not width:
        raise ValueError(f"images of {images.shape[2]} x {images.shape[1]} pixels are too small to compress")
    samples = to_bytes(images[:, :height, :width, :3])
    return np.stack([from_bytes(_decoded(_encoded(each, crf))) for each in samples])


def _encoded(picture: Bytes, crf: int) -> io.BytesIO:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        # One thread: with several, x264's output depends on how many there are.
        options = {"crf": str(crf), "preset": "veryfast", "threads": "1", "x264-params": x264.PARAMS}
        stream: VideoStream = container.add_stream("libx264", rate=Fraction(1), options=options)
        stream.height, stream.width = picture.shape[:2]
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    file.seek(0)
    return file


def _decoded(file: io.BytesIO) -> Bytes:
    import av

    with av.open(file, "r") as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)
