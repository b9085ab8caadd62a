"""Greatest and smallest values in a neighbourhood."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from comfypipe.engine.pixels.extremes import OPERATIONS, dilate, erode, grow
from comfypipe.engine.pixels.values import Floats


def noise(height: int, width: int) -> Floats:
    """Return a random image."""
    return np.random.default_rng([height, width]).random((1, height, width, 2), np.float32)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 25))
def test_dilation_and_erosion_look_at_a_square(height: int, width: int, size: int) -> None:
    """Even windows reach one farther, on opposite sides; what is outside the image counts for nothing."""
    image = noise(height, width)
    half = size // 2
    for y in range(height):
        for x in range(width):
            below = image[0, max(y - half, 0) : y - half + size, max(x - half, 0) : x - half + size]
            after = size - 1 - half
            above = image[0, max(y - after, 0) : y + half + 1, max(x - after, 0) : x + half + 1]
            np.testing.assert_array_equal(below.min(axis=(0, 1)), erode(image, size)[0, y, x])
            np.testing.assert_array_equal(above.max(axis=(0, 1)), dilate(image, size)[0, y, x])
            break  # one column in each row will do


@given(st.integers(3, 999))
@settings(max_examples=20)
def test_compound_operations_are_what_they_are_made_of(size: int) -> None:
    """Opening never brightens, closing never darkens, and the others are differences."""
    image = noise(12, 14)
    found = {name: operation(image, size) for name, operation in OPERATIONS.items()}
    assert (found["open"] <= image).all()
    assert (found["close"] >= image).all()
    np.testing.assert_array_equal(found["dilate"] - found["erode"], found["gradient"])
    np.testing.assert_array_equal(image - found["open"], found["top_hat"])
    np.testing.assert_array_equal(found["close"] - image, found["bottom_hat"])


@pytest.mark.parametrize("tapered", [True, False])
@pytest.mark.parametrize("steps", [-7, -1, 0, 1, 4, 40])
def test_masks_grow_step_by_step(steps: int, tapered: bool) -> None:
    """As many dilations (or erosions) with a cross or a square as asked for."""
    masks = noise(15, 18)[..., 0]
    footprint = ndimage.generate_binary_structure(2, 1 if tapered else 2)
    step = ndimage.grey_dilation if steps > 0 else ndimage.grey_erosion
    expected = masks[0]
    for _ in range(abs(steps)):
        expected = step(expected, footprint=footprint)
    np.testing.assert_array_equal(expected, grow(masks, steps, tapered=tapered)[0])


def test_a_dot_grows_to_a_diamond_or_a_square() -> None:
    """Tapered corners are left out."""
    dot = np.zeros((1, 7, 7), np.float32)
    dot[0, 3, 3] = 1
    assert (13, 25) == (int(grow(dot, 2, tapered=True).sum()), int(grow(dot, 2, tapered=False).sum()))


def test_growing_beyond_every_edge_ends_early() -> None:
    """Sixteen thousand steps on a small mask take no time, and fill it."""
    masks = noise(30, 30)[..., 0]
    for tapered in (True, False):
        np.testing.assert_array_equal(np.full_like(masks, masks.max()), grow(masks, 16384, tapered=tapered))
