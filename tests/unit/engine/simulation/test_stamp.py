"""The stamp on placeholder pictures."""

import numpy as np
import pytest

from comfypipe.engine.simulation.lettering import letters
from comfypipe.engine.simulation.stamp import WORD, Mark, stamp


@pytest.mark.parametrize("size", [(1024, 1024), (256, 256), (40, 700), (700, 64), (24, 100)])
def test_the_word_can_be_read(size: tuple[int, int]) -> None:
    """Its letters stand in white on the plate, at some scale, wherever there is room for them."""
    image = np.full((*size, 3), 0.5, np.float32)
    stamp(image, Mark("KSampler", 7, "a fox"))
    white = (image == 1).all(axis=-1)
    found = [scale for scale in range(1, 8) if _holds(white, letters(WORD, scale))]
    assert found


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (16, 40), (3, 500)])
def test_pictures_too_small_for_the_word_are_hatched(size: tuple[int, int]) -> None:
    """Something shows on every picture."""
    image = np.full((*size, 3), 0.5, np.float32)
    stamp(image, Mark())
    assert (image != 0.5).any()


def test_the_mark_says_where_it_comes_from() -> None:
    """Class, seed, place in the batch; then the prompt, on one line."""
    assert ("KSampler  seed 7  2 of 3", "a fox and a bear") == Mark("KSampler", 7, "a fox\nand a bear").lines("2 of 3")


def test_long_and_foreign_texts_do_no_harm() -> None:
    """A text is cut where the picture ends; what the font has not is left out."""
    image = np.full((256, 256, 3), 0.5, np.float32)
    stamp(image, Mark("X" * 500, 2**64, "狐" * 500 + "é" * 500))
    assert np.isfinite(image).all()


def _holds(
    white: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> bool:
    height, width = mask.shape
    if height > white.shape[0] or width > white.shape[1]:
        return False
    windows = np.lib.stride_tricks.sliding_window_view(white, mask.shape)
    corners = np.argwhere(windows[..., 0, 0] == mask[0, 0])
    rows = {int(row) for row, _ in corners}
    return any((windows[row, column] == mask).all() for row in rows for column in range(min(windows.shape[1], 40)))
