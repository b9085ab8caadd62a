"""Nodes that change colours."""

import numpy as np
import pytest

from comfypipe.engine.nodes.colour import add_noise, compress, invert, quantize, rgb_to_yuv, yuv_to_rgb
from comfypipe.engine.pixels.codec import recompressed
from comfypipe.engine.pixels.noise import torch_randn
from comfypipe.engine.pixels.values import Floats


def image(channels: int = 3) -> Floats:
    """Return random images."""
    return np.random.default_rng(0).random((2, 12, 14, channels), np.float32)


def test_negatives_are_one_less_the_value() -> None:
    """Twice inverted is nearly what it was."""
    np.testing.assert_array_equal(1 - image(), invert(image())[0])
    np.testing.assert_allclose(invert(invert(image())[0])[0], image(), atol=1e-7)


def test_noise_depends_on_its_seed_only() -> None:
    """It is the generator's, times the strength, and the result is clamped."""
    expected = np.clip(image() + torch_randn(image().shape, 9) * np.float32(0.4), 0, 1)
    np.testing.assert_array_equal(expected, add_noise(image(), 9, 0.4)[0])
    np.testing.assert_array_equal(image(), add_noise(image(), 9, 0.0)[0])


def test_quantizing_leaves_few_colors() -> None:
    """Each image has its own palette."""
    (found,) = quantize(image(), 5, "none")
    assert [True, True] == [len(np.unique(each.reshape(-1, 3), axis=0)) <= 5 for each in found]


def test_luma_and_differences_come_back() -> None:
    """Split and joined again, colours are nearly what they were."""
    np.testing.assert_allclose(yuv_to_rgb(*rgb_to_yuv(image()))[0], image(), atol=1e-3)


def test_planes_are_grey_images() -> None:
    """With three channels, as the image; greys have no colour difference."""
    grey = np.broadcast_to(image()[..., :1], (2, 12, 14, 3))
    y, u, v = rgb_to_yuv(grey)
    np.testing.assert_allclose(y, grey, atol=1e-6)
    np.testing.assert_allclose(np.stack([u, v]), np.full((2, *grey.shape), 0.5), atol=1e-6)


def test_no_compression_changes_nothing() -> None:
    """Zero is the identity; other values are the codec's."""
    source = image()
    assert source is compress(source, 0)[0]
    np.testing.assert_array_equal(recompressed(source, 40), compress(source, 40)[0])


def test_only_three_channels_are_split_into_luma_and_colour() -> None:
    """Transparency has no place in it."""
    with pytest.raises(ValueError, match="image: 4 channels, expected 3"):
        rgb_to_yuv(image(4))


def test_luma_and_colour_are_of_one_size() -> None:
    """Nothing is repeated to fit."""
    one, two = np.zeros((1, 2, 2, 3), np.float32), np.zeros((2, 2, 2, 3), np.float32)
    with pytest.raises(RuntimeError, match=r"Y \(1, 2, 2\), U \(1, 2, 2\), V \(2, 2, 2\)"):
        yuv_to_rgb(one, one, two)
