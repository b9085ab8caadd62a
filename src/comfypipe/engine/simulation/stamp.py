"""The stamp on every placeholder picture: that it is one, and what it stands for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.simulation.lettering import LETTER_HEIGHT, LETTER_WIDTH, letters

WORD = "SIMULATED"
_PLATE = np.array([16, 19, 26], np.float32) / np.float32(255)
_SHADE = np.float32(0.66)
_FAINT = np.float32(0.1)
_BRIGHT = np.float32(0.6)
_TITLE = np.float32(1)
_TEXT = np.float32(0.82)


@dataclass(frozen=True, slots=True)
class Mark:
    """
    What a stamp says beside that the picture is simulated.

    Attributes:
        source: The class that the picture stands for.
        seed: Of the sampler.
        text: What the prompt says.
    """

    source: str = ""
    seed: int | None = None
    text: str = ""

    def lines(self, position: str = "") -> tuple[str, ...]:
        """Return the lines below the title; *position* tells frames of a batch apart."""
        seed = "" if self.seed is None else f"seed {self.seed}"
        first = "  ".join(part for part in (self.source, seed, position) if part)
        return tuple(line for line in (first, " ".join(self.text.split())) if line)


def stamp(image: Floats, mark: Mark, position: str = "") -> None:
    """
    Stamp a picture, in place: a plate with text in the lower left corner, the word faintly all over.

    Pictures that are too small for the word get a hatched corner.

    Args:
        image: (height, width, 3 or more).
    """
    _watermark(image)
    height, width = image.shape[:2]
    scale = max(1, min(min(height, width) // 240, width // (LETTER_WIDTH * len(WORD) + 16)))
    if width < LETTER_WIDTH * len(WORD) + 6 or height < LETTER_HEIGHT + 6:
        _hatch(image)
        return
    small = max(min(scale, 2), scale // 2)
    margin = 3 * scale if height > 64 else 2
    room = (width - 4 * margin) // (LETTER_WIDTH * small)
    _plate(image, margin, [(WORD, scale), *((_cut(line, room), small) for line in mark.lines(position))])


def _plate(image: Floats, margin: int, lines: Sequence[tuple[str, int]]) -> None:
    height = image.shape[0]
    gap = max(1, margin // 2)
    shown = [(text, scale) for text, scale in lines if text]
    while len(shown) > 1 and sum(LETTER_HEIGHT * scale + gap for _, scale in shown) + 3 * margin > height * 0.6:
        shown.pop()
    masks = [letters(text, scale) for text, scale in shown]
    inner_width = max(mask.shape[1] for mask in masks)
    inner_height = sum(mask.shape[0] + gap for mask in masks) - gap
    top = height - inner_height - 3 * margin
    left = margin
    plate = image[top : height - margin, left : left + inner_width + 2 * margin, :3]
    plate += (_PLATE - plate) * _SHADE
    row = margin
    for index, mask in enumerate(masks):
        area = plate[row : row + mask.shape[0], margin : margin + mask.shape[1]]
        area[mask[: area.shape[0], : area.shape[1]]] = _TEXT if index else _TITLE
        row += mask.shape[0] + gap


def _watermark(image: Floats) -> None:
    """Set the word all over, so faintly that it does not disturb: a part that is cut out still tells."""
    height, width = image.shape[:2]
    scale = max(1, min(height, width) // 512)
    word = letters(WORD + "  ", scale)
    lead = LETTER_HEIGHT * scale * 7
    for line, top in enumerate(range(lead // 2, height, lead)):
        rows = image[top : top + word.shape[0], :, :3]
        shift = (line % 2) * word.shape[1] // 2
        tiled = np.tile(word, (1, width // word.shape[1] + 2))[: rows.shape[0], shift : shift + width]
        lit = rows[tiled]
        contrast = np.where(lit[:, 1:2] > _BRIGHT, np.float32(0), np.float32(1))
        rows[tiled] = lit + (contrast - lit) * _FAINT


def _hatch(image: Floats) -> None:
    height, width = image.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    corner = rows + columns < max(2, min(height, width) // 2)
    image[corner & ((rows + columns) % 4 < 2), :3] = _PLATE
    image[corner & ((rows + columns) % 4 >= 2), :3] = _TITLE


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: max(0, length - 2)]}.."
