"""Nodes that put images over each other and take alpha apart."""

import numpy as np
import pytest

from comfypipe.engine.nodes.composite import composite_masked, join_alpha, porter_duff_composite, split_alpha
from comfypipe.engine.pixels.composite import composite
from comfypipe.engine.pixels.resample import bilinear, resize_cropped
from comfypipe.engine.pixels.values import Floats


def noise(height: int, width: int, channels: int = 3, batch: int = 1) -> Floats:
    """Return random images."""
    return np.random.default_rng([height, width, batch]).random((batch, height, width, channels), np.float32)


def mask(height: int, width: int, batch: int = 1) -> Floats:
    """Return random masks."""
    return noise(height, width, 1, batch)[..., 0]


def test_sources_are_stretched_where_that_is_wanted() -> None:
    """To the size of the destination."""
    below, above = noise(10, 12), noise(5, 5)
    expected = composite(below, bilinear(above, 12, 10), 3, 2, mask(4, 4))
    found = composite_masked(below, above, 3, 2, resize_source=True, mask=mask(4, 4))[0]
    np.testing.assert_array_equal(expected, found)


def test_alpha_of_the_source_does_not_count() -> None:
    """Only its colours are pasted."""
    below, above = noise(10, 12), noise(5, 5, 4)
    expected = composite(below, above[..., :3], 3, 2)
    np.testing.assert_array_equal(expected, composite_masked(below, above, 3, 2, resize_source=False)[0])


def test_alpha_of_the_destination_is_an_error() -> None:
    """As it is in ComfyUI, with its message."""
    with pytest.raises(RuntimeError, match=r"tensor a \(3\) must match the size of tensor b \(5\)"):
        composite_masked(noise(10, 12, 4), noise(5, 5), 0, 0, resize_source=False)


def test_porter_duff_fits_everything_to_the_destination() -> None:
    """The shortest batch counts; masks are 1 where an image is transparent."""
    color, transparency = porter_duff_composite(
        noise(20, 20, batch=3), mask(7, 9, 2), noise(10, 12, batch=2), mask(10, 12, 4), "SRC"
    )
    fitted = resize_cropped(mask(7, 9, 2)[..., None], 12, 10, "bicubic")[..., 0]
    assert ((2, 10, 12, 3), (2, 10, 12)) == (color.shape, transparency.shape)
    np.testing.assert_allclose(transparency, fitted, atol=1e-6)


def test_porter_duff_needs_equal_channels() -> None:
    """An assertion, as in ComfyUI, but with a message."""
    with pytest.raises(AssertionError, match="source has 4 channels, destination 3"):
        porter_duff_composite(noise(4, 4, 4), mask(4, 4), noise(4, 4), mask(4, 4), "SRC")


def test_alpha_is_taken_apart_and_put_back() -> None:
    """The mask is one less alpha."""
    image = noise(6, 7, 4, batch=2)
    color, transparency = split_alpha(image)
    np.testing.assert_array_equal(1 - image[..., 3], transparency)
    np.testing.assert_allclose(join_alpha(color, transparency)[0], image, atol=1e-7)


def test_images_without_alpha_are_opaque() -> None:
    """Their mask is 0, of their size."""
    color, transparency = split_alpha(noise(6, 7))
    np.testing.assert_array_equal(noise(6, 7), color)
    np.testing.assert_array_equal(np.zeros((1, 6, 7)), transparency)


def test_masks_are_stretched_to_the_image() -> None:
    """The shorter batch counts, and alpha that was there is replaced."""
    (joined,) = join_alpha(noise(6, 7, 4, batch=3), mask(3, 3, 2))
    assert (2, 6, 7, 4) == joined.shape
    np.testing.assert_array_equal(1 - bilinear(mask(3, 3, 2)[..., None], 7, 6), joined[..., 3:])
