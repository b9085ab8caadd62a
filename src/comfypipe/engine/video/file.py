"""A video that lies in a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.arrays import check_size
from comfypipe.engine.audio.decode import join, to_float
from comfypipe.engine.audio.sound import sound
from comfypipe.engine.media import decoded, opened
from comfypipe.engine.pixels.values import Bytes, Floats, from_bytes
from comfypipe.engine.video.mp4 import mp4_writer
from comfypipe.engine.video.remux import remux
from comfypipe.engine.video.value import Components, OnFrame

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


@dataclass(frozen=True, slots=True)
class FileVideo:
    """A `comfypipe.engine.video.value.Video` whose file is opened when it is needed."""

    path: Path

    def dimensions(self) -> tuple[int, int]:
        """Return width and height in pixels, from the file's header."""
        with opened(self.path) as source:
            stream, _ = self._streams(source)
            return stream.width, stream.height

    def components(self) -> Components:
        """Decode all of it."""
        from av import AudioFrame

        frames: list[Bytes] = []
        parts: list[NDArray[np.float32]] = []
        with opened(self.path) as source:
            video, audio = self._streams(source)
            for frame in decoded(source, video, *audio):
                if isinstance(frame, AudioFrame):
                    parts.append(to_float(frame))
                else:
                    frames.append(_pixels(frame))
                    check_size((len(frames), *frames[0].shape), f"the frames of {self.path.name}")
            sounds = sound(join(parts), audio[0].codec_context.sample_rate) if parts else None
            return Components(self._images(frames), video.average_rate or Fraction(1), sounds)

    def save(self, path: Path, *, container: str, codec: str, metadata: Mapping[str, str], on_frame: OnFrame) -> None:
        """Copy the compressed streams where they are what is asked for, else decode and compress frame by frame."""
        with opened(self.path) as source:
            video, audio = self._streams(source)
            if container in ("auto", *source.format.name.split(",")) and codec in ("auto", video.codec_context.name):
                remux(source, path, metadata)
            else:
                _transcode(source, video, audio, path, metadata, on_frame)

    def _streams(self, source: "InputContainer") -> "tuple[VideoStream, tuple[AudioStream, ...]]":
        if not source.streams.video:
            raise ValueError(f"No video stream found in file '{self.path.name}'")
        video = source.streams.video[0]
        video.thread_type = "AUTO"  # several frames at a time; their pixels are the same
        return video, source.streams.audio[:1]

    def _images(self, frames: list[Bytes]) -> Floats:
        if len({each.shape for each in frames}) != 1:
            found = "the size of the frames changes within" if frames else "there are no frames in"
            raise ValueError(f"{found} {self.path.name}")
        images = np.empty((len(frames), *frames[0].shape), np.float32)
        for index, frame in enumerate(frames):
            from_bytes(frame, images[index])
        return images


def _transcode(
    source: "InputContainer",
    video: "VideoStream",
    audio: "tuple[AudioStream, ...]",
    path: Path,
    metadata: Mapping[str, str],
    on_frame: OnFrame,
) -> None:
    from av import AudioFrame

    rate_hz = audio[0].codec_context.sample_rate if audio else None
    count = 0
    size = (video.width, video.height)
    with mp4_writer(path, size, video.average_rate or Fraction(1), rate_hz, metadata) as writer:
        for frame in decoded(source, video, *audio):
            if isinstance(frame, AudioFrame):
                writer.add_sound(to_float(frame))
            else:
                writer.add_frame(_pixels(frame))
                count += 1
                on_frame(count, max(count, video.frames))


def _pixels(frame: "VideoFrame") -> Bytes:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
