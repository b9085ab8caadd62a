"""VIDEO values: what nodes pass to each other when they pass a video, decoded only when somebody looks inside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from comfypipe.engine.audio.sound import Audio
from comfypipe.engine.pixels.values import Floats

OnFrame: TypeAlias = Callable[[int, int], None]
"""Told how many of how many frames are done; raises where the work is to stop."""


@dataclass(frozen=True, slots=True)
class Components:
    """
    A video taken apart.

    Attributes:
        images: (frame, height, width, 3), float32, 0..1.
        frame_rate: Frames a second.
        audio: Its sound, if it has any.
    """

    images: Floats
    frame_rate: Fraction
    audio: Audio | None = None


@runtime_checkable
class Video(Protocol):
    """A value of type VIDEO."""

    def components(self) -> Components:
        """
        Return all frames, decoded, and the sound.

        Raises:
            ValueError: There are no frames, or they would take more memory than is allowed.
            av.error.FFmpegError: The file that it comes from cannot be decoded.
        """

    def dimensions(self) -> tuple[int, int]:
        """Return width and height in pixels, without decoding."""

    def save(self, path: Path, *, container: str, codec: str, metadata: Mapping[str, str], on_frame: OnFrame) -> None:
        """
        Write an MP4 file, a frame at a time.

        Args:
            container: ``auto`` or ``mp4``.
            codec: ``auto`` or ``h264``. Frames that are compressed already are copied as they are where container and
                codec are what is asked for; ``auto`` asks for nothing.
            metadata: Tags of the file.

        Raises:
            ValueError: It cannot be written as H.264: no frames, no frame rate.
            av.error.FFmpegError: Odd width or height (``ExternalError``), an unreadable source.
        """


def rounded(rate: Fraction) -> Fraction:
    """
    Return a frame rate to a thousandth, as it is written into files.

    Raises:
        ValueError: It is not one.
    """
    result = Fraction(round(rate * 1000), 1000)
    if result <= 0:
        raise ValueError(f"fps: {float(rate):g} frames a second, expected at least 0.001")
    return result
