"""Text as pixels, in Pillow's built-in bitmap font: no font file, no hinting, the same everywhere."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Mask = NDArray[np.bool_]

LETTER_WIDTH, LETTER_HEIGHT = 6, 11


@lru_cache(maxsize=256)
def letters(text: str, scale: int = 1) -> Mask:
    """
    Return which pixels of a line of text are set: (11 · scale, 6 · length · scale).

    What the font does not have (it is Latin) is left out.
    """
    shown = text.encode("latin-1", "ignore").decode("latin-1")
    image = Image.new("1", (max(1, LETTER_WIDTH * len(shown)), LETTER_HEIGHT))
    ImageDraw.Draw(image).text((0, 0), shown, fill=1, font=ImageFont.load_default_imagefont())
    return np.asarray(image).repeat(scale, axis=0).repeat(scale, axis=1)
