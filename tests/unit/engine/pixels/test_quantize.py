"""Reduction to a palette."""

import numpy as np
import pytest

from comfypipe.engine.pixels.quantize import DITHERS, bayer_matrix, quantize
from comfypipe.engine.pixels.values import Floats, to_bytes


def gradient(height: int = 40, width: int = 50) -> Floats:
    """Return a smooth image."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([x / width, y / height, (x + y) / (width + height)], -1)[None]


@pytest.mark.parametrize("dither", DITHERS)
@pytest.mark.parametrize("colors", [1, 2, 16, 256])
def test_there_are_no_more_colors_than_asked_for(dither: str, colors: int) -> None:
    """However it is dithered, an image has at most so many colours."""
    found = quantize(gradient(), colors, dither)
    assert len(np.unique(to_bytes(found).reshape(-1, 3), axis=0)) <= colors


@pytest.mark.parametrize("dither", DITHERS)
def test_dithering_keeps_the_mean(dither: str) -> None:
    """Seen from afar, the image is about as bright as before."""
    image = gradient(64, 64)
    assert quantize(image, 8, dither).mean() == pytest.approx(image.mean(), abs=0.06)


def test_each_image_has_its_own_palette() -> None:
    """A batch gives what its images give alone."""
    images = np.concatenate([gradient(), 1 - gradient()])
    alone = np.concatenate([quantize(each[None], 4, "none") for each in images])
    np.testing.assert_array_equal(alone, quantize(images, 4, "none"))


def test_patterns_hold_every_step_once() -> None:
    """The pattern of 2 is the known one, and each larger one has all its cells at equal distances about zero."""
    np.testing.assert_array_equal(np.array([[-1.5, 0.5], [1.5, -0.5]]) / 4, bayer_matrix(2))
    for order in (2, 4, 8, 16):
        steps = np.sort(bayer_matrix(order).ravel())
        np.testing.assert_allclose(np.diff(steps), 1 / order**2, atol=1e-12)
        assert steps.mean() == pytest.approx(0)


def test_what_is_not_rgb_is_refused() -> None:
    """As on a real server."""
    with pytest.raises(ValueError, match="Invalid mode for data type"):
        quantize(np.zeros((1, 4, 4, 4), np.float32), 8, "none")


def test_unknown_dithers_are_named() -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match="'bayer-3': expected one of none, floyd-steinberg, bayer-2"):
        quantize(gradient(), 8, "bayer-3")
