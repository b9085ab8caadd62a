"""Blurring and sharpening."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from comfypipe.engine.pixels import convolve
from comfypipe.engine.pixels.convolve import blur, gaussian_kernel, sharpen, sharpening_kernel
from comfypipe.engine.pixels.fused import torch_sum
from comfypipe.engine.pixels.values import Floats


def noise(height: int, width: int, channels: int = 3, batch: int = 1) -> Floats:
    """Return random images."""
    return np.random.default_rng([height, width]).random((batch, height, width, channels), np.float32)


@given(st.integers(1, 31), st.floats(0.1, 10))
def test_kernels_sum_to_one_and_are_symmetric(radius: int, sigma: float) -> None:
    """A kernel weighs 2r + 1 samples a side, alike on all sides, to a mean."""
    kernel = gaussian_kernel(radius, sigma)
    assert (2 * radius + 1, 2 * radius + 1) == kernel.shape
    assert kernel.sum(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(kernel, kernel.T)
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])


@given(st.integers(1, 12), st.floats(0.2, 4))
@settings(max_examples=25)
def test_a_blur_is_a_weighted_mean_with_mirrored_edges(radius: int, sigma: float) -> None:
    """Each sample becomes the mean around it; beyond the edge the image is mirrored, without its last line."""
    image = noise(20, 25)
    kernel = gaussian_kernel(radius, sigma)[..., None]
    expected = ndimage.correlate(image[0].astype(np.float64), kernel, mode="mirror")
    np.testing.assert_allclose(blur(image, radius, sigma)[0], expected, atol=2e-6)


@pytest.mark.parametrize("radius", [1, 3, 10])
def test_two_passes_differ_by_less_than_a_level(radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick way for large images gives the same to five digits, blurred and sharpened, image by image."""
    images = noise(90, 300, batch=2)
    direct, sharp = blur(images, radius, 0.7), sharpen(images, radius, 0.7, 0.2)
    monkeypatch.setattr(convolve, "_DIRECT_LIMIT", 0)
    np.testing.assert_allclose(blur(images, radius, 0.7), direct, atol=5e-6)
    np.testing.assert_allclose(sharpen(images, radius, 0.7, 0.2), sharp, atol=2e-5)


def test_no_strength_leaves_an_image_as_it_is() -> None:
    """Sharpening by nothing changes nothing."""
    image = noise(20, 25)
    np.testing.assert_allclose(sharpen(image, 2, 1.0, 0.0), image, atol=1e-6)


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_the_centre_takes_what_the_others_leave(radius: int) -> None:
    """From it the sum of all is taken first and 1 added then, each rounded: white stays as near to white."""
    kernel = sharpening_kernel(radius, 0.5, 3.7)
    blurring = gaussian_kernel(radius, 0.5) * np.float32(-3.7)
    centre = np.float32(blurring[radius, radius] - torch_sum(blurring)) + np.float32(1)
    assert centre == kernel[radius, radius]
    blurring[radius, radius] = centre
    np.testing.assert_array_equal(blurring, kernel)


def test_sharpening_adds_the_difference_to_the_blurred_image() -> None:
    """Alpha counts ten times, and the result is clamped."""
    image = noise(20, 25)
    expected = np.clip(image + 10 * 0.3 * (image - blur(image, 2, 1.0)), 0, 1)
    np.testing.assert_allclose(sharpen(image, 2, 1.0, 0.3), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((30, 40), r"Argument #6.*padding \(31, 31\) at dimension 2 of input \[1, 3, 30, 40\]"),
        ((40, 31), r"Argument #4.*padding \(31, 31\) at dimension 3 of input \[1, 3, 40, 31\]"),
    ],
)
def test_a_radius_as_large_as_a_side_is_an_error(shape: tuple[int, int], message: str) -> None:
    """Beyond one mirror image there is nothing to take; the message has radius and size."""
    with pytest.raises(RuntimeError, match=message):
        blur(noise(*shape), 31, 1.0)
    assert blur(noise(32, 32), 31, 1.0).shape == (1, 32, 32, 3)
