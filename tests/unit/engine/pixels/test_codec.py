"""The traces of video compression."""

import numpy as np
import pytest

from comfypipe.engine.pixels.codec import recompressed
from comfypipe.engine.pixels.values import Floats


def picture(height: int, width: int) -> Floats:
    """Return two smooth images."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    image = np.stack([x / width, y / height, (x + y) / (width + height)], -1)
    return np.stack([image, 1 - image])


def test_stronger_compression_changes_more() -> None:
    """The rate factor decides how near the result is."""
    images = picture(64, 80)
    mild, strong = (np.abs(recompressed(images, crf) - images).mean() for crf in (10, 51))
    assert 2 * mild < strong


def test_odd_sides_lose_a_line() -> None:
    """Colours are stored for two by two pixels."""
    assert (2, 60, 96, 3) == recompressed(picture(61, 97), 35).shape


def test_the_same_image_gives_the_same_result() -> None:
    """The encoder runs in one thread."""
    images = picture(64, 80)
    np.testing.assert_array_equal(recompressed(images, 35), recompressed(images, 35))


def test_too_small_images_are_named() -> None:
    """One line is not enough."""
    with pytest.raises(ValueError, match="5 x 1 pixels are too small"):
        recompressed(picture(1, 5), 35)
