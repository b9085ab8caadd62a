"""A video made of frames and sound in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from comfypipe.engine.audio.sound import unpack
from comfypipe.engine.pixels.values import to_bytes
from comfypipe.engine.video.mp4 import mp4_writer
from comfypipe.engine.video.value import Components, OnFrame


@dataclass(frozen=True, slots=True)
class ComponentsVideo:
    """A `comfypipe.engine.video.value.Video` of components that are there already."""

    parts: Components

    def components(self) -> Components:
        """Return the parts."""
        return self.parts

    def dimensions(self) -> tuple[int, int]:
        """Return width and height in pixels."""
        _, height, width, _ = self.parts.images.shape
        return width, height

    def save(
        self,
        path: Path,
        *,
        container: str,  # noqa: ARG002  there is one of each that frames can be compressed to
        codec: str,  # noqa: ARG002
        metadata: Mapping[str, str],
        on_frame: OnFrame,
    ) -> None:
        """Compress frame by frame; of several batch items of sound the first is taken."""
        images = self.parts.images
        if images.shape[-1] != 3:
            raise ValueError(f"images: frames of {images.shape[-1]} channels, expected 3 (a video has no transparency)")
        waveform, rate_hz = (None, None) if self.parts.audio is None else unpack(self.parts.audio, "audio")
        with mp4_writer(path, self.dimensions(), self.parts.frame_rate, rate_hz, metadata) as writer:
            if waveform is not None and len(waveform):
                writer.add_sound(waveform[0])
            for index, image in enumerate(images, 1):
                writer.add_frame(to_bytes(image))
                on_frame(index, len(images))
