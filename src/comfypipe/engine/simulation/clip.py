"""A placeholder video: its frames are drawn one by one, when they are wanted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from comfypipe.engine.arrays import check_size
from comfypipe.engine.pixels.values import Floats, to_bytes
from comfypipe.engine.simulation.pictures import draw_picture, enlarged
from comfypipe.engine.simulation.stamp import Mark, stamp
from comfypipe.engine.simulation.stand_in import Hint
from comfypipe.engine.video.mp4 import mp4_writer
from comfypipe.engine.video.value import Components, OnFrame

_HINT_SHARE = np.float32(0.5)


@dataclass(frozen=True, slots=True)
class PlaceholderVideo:
    """
    A `comfypipe.engine.video.value.Video` that no file and no frames stand behind.

    Attributes:
        size: Width and height in pixels, both even.
        count: Of frames.
        hint: A picture that shows through.
    """

    key: bytes
    palette_key: bytes
    size: tuple[int, int]
    count: int
    frame_rate: Fraction
    mark: Mark
    hint: Hint | None = None

    def components(self) -> Components:
        """Return all frames."""
        width, height = self.size
        check_size((self.count, height, width, 3), "frames")
        images = np.empty((self.count, height, width, 3), np.float32)
        for index, frame in enumerate(self._frames()):
            images[index] = frame
        return Components(images, self.frame_rate)

    def dimensions(self) -> tuple[int, int]:
        """Return width and height in pixels."""
        return self.size

    def save(
        self,
        path: Path,
        *,
        container: str,  # noqa: ARG002  there is one of each that frames can be compressed to
        codec: str,  # noqa: ARG002
        metadata: Mapping[str, str],
        on_frame: OnFrame,
    ) -> None:
        """Draw and compress frame by frame."""
        with mp4_writer(path, self.size, self.frame_rate, None, metadata) as writer:
            for index, frame in enumerate(self._frames(), 1):
                writer.add_frame(to_bytes(frame))
                on_frame(index, self.count)

    def _frames(self) -> Iterator[Floats]:
        width, height = self.size
        shown = None if self.hint is None else np.clip(enlarged(self.hint, height, width), 0, 1)
        for index in range(self.count):
            moment = index / max(1, self.count - 1)
            frame = draw_picture(self.key, self.palette_key, height, width, moment)
            if shown is not None:
                frame += (shown - frame) * _HINT_SHARE
            stamp(frame, self.mark, f"{index + 1} of {self.count}")
            yield frame
