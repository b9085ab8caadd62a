"""Write MP4 files a frame at a time: H.264 and AAC."""

import errno
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine import x264
from comfypipe.engine.audio.encode import audio_frames
from comfypipe.engine.pixels.values import Bytes
from comfypipe.engine.video.value import rounded

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

THREADS = 4
"""Of the encoder. x264's output depends on their number: fixed, so that every machine writes the same bytes."""
AAC_RATES_HZ = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


class Mp4Writer:
    """
    An MP4 file that is being written; made by `mp4_writer`.

    Sound goes out as far as the frames have come, so that neither piles up; what is longer than the frames is cut.
    """

    def __init__(
        self, container: "OutputContainer", video: "VideoStream", audio: "AudioStream | None", rate: Fraction
    ) -> None:
        self._container = container
        self._video = video
        self._audio = audio
        self._rate = rate
        self._frames = 0
        self._samples = 0
        self._waiting: deque[NDArray[np.float32]] = deque()

    def add_frame(self, pixels: Bytes) -> None:
        """Append one frame, (height, width, 3)."""
        import av

        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
        self._container.mux(self._video.encode(frame))
        self._frames += 1
        self._write_sound()

    def add_sound(self, samples: NDArray[np.float32]) -> None:
        """Append sound, (channel, sample); it is mixed up or down to stereo."""
        self._waiting.append(samples)
        self._write_sound()

    def finish(self) -> None:
        """
        Write what the encoders still hold.

        Raises:
            ValueError: There was no frame.
        """
        if not self._frames:
            raise ValueError("images: there is no frame to write")
        self._container.mux(self._video.encode(None))
        if self._audio is not None:
            self._container.mux(self._audio.encode(None))

    def _write_sound(self) -> None:
        if self._audio is None:
            return
        rate_hz = self._audio.codec_context.sample_rate
        room = ceil(Fraction(rate_hz) / self._rate * self._frames) - self._samples
        while self._waiting and room > 0:
            samples = self._waiting.popleft()
            if samples.shape[1] > room:
                self._waiting.appendleft(samples[:, room:])
            due = samples[:, :room]
            for frame in audio_frames(due, rate_hz, self._samples):
                self._container.mux(self._audio.encode(frame))
            self._samples += due.shape[1]
            room -= due.shape[1]


@contextmanager
def mp4_writer(
    path: Path, size: tuple[int, int], rate: Fraction, rate_hz: int | None, metadata: Mapping[str, str]
) -> Iterator[Mp4Writer]:
    """
    Begin an MP4 file: H.264 (yuv420p, x264's defaults) and AAC (stereo, FFmpeg's defaults).

    The same frames and sound always give the same bytes.

    Args:
        size: Width and height of the frames in pixels.
        rate: Frames a second; kept to a thousandth.
        rate_hz: Of the sound; None for none.
        metadata: Tags of the file.

    Raises:
        ValueError: The frame rate is not one.
        av.error.ExternalError: Width or height is odd.
        av.error.ArgumentError: AAC does not have that rate.
    """
    import av

    rate = rounded(rate)
    _check(size, rate_hz)
    with av.open(path, mode="w", format="mp4", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(metadata)
        video = container.add_stream("h264", rate=rate)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = THREADS
        video.options["x264-params"] = x264.PARAMS
        audio = None if rate_hz is None else container.add_stream("aac", rate=rate_hz)
        writer = Mp4Writer(container, video, audio, rate)
        yield writer
        writer.finish()


def _check(size: tuple[int, int], rate_hz: int | None) -> None:
    from av import error

    width, height = size
    if width % 2 or height % 2:
        message = f"images: {width}x{height} pixels, H.264 (yuv420p) needs an even width and height"
        raise error.ExternalError(error.tag_to_code(b"EXT "), message)
    if rate_hz is not None and rate_hz not in AAC_RATES_HZ:
        listed = ", ".join(map(str, AAC_RATES_HZ))
        raise error.ArgumentError(errno.EINVAL, f"audio: {rate_hz} Hz is not a rate that AAC has ({listed})")
