"""Gaussian blur and sharpening as ComfyUI defines them: a normalised kernel, edges reflected."""

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.pixels.fused import torch_linspace, torch_sum
from comfypipe.engine.pixels.values import Floats, row_blocks

Kernel = NDArray[np.float32]

_DIRECT_LIMIT = 1 << 26
"""Products (taps times samples) up to which the sum is made tap by tap, to the last bit: about a tenth of a second."""


def gaussian_kernel(radius: int, sigma: float) -> Kernel:
    """
    Return the kernel of 2·radius+1 taps a side.

    Args:
        radius: Taps on either side of the centre.
        sigma: Width of the bell in units of the radius, not in pixels.
    """
    bell = np.exp(_exponents(radius, sigma)).astype(np.float32)
    return bell / torch_sum(bell)


def _exponents(radius: int, sigma: float) -> NDArray[np.float64]:
    squares = np.square(torch_linspace(-1, 1, 2 * radius + 1), dtype=np.float32)
    distance = np.sqrt(squares[:, None] + squares)
    return np.asarray(-(distance * distance) / np.float32(2.0 * sigma * sigma), np.float64)


def blur(images: Floats, radius: int, sigma: float) -> Floats:
    """
    Blur images (batch, height, width, channel).

    Small images get the sum in PyTorch's order, bit for bit; large ones two passes, one per axis, which are equal but
    for the last bits.

    Raises:
        RuntimeError: The radius is not less than both sides.
    """
    _check_radius(images, radius)
    kernel = gaussian_kernel(radius, sigma)
    return convolve(images, kernel) if _is_small(images, radius) else _two_passes(images, radius, sigma)


def sharpen(images: Floats, radius: int, sigma: float, strength: float) -> Floats:
    """
    Add *strength* times ten the difference to the blurred image, clamped to 0..1.

    Raises:
        RuntimeError: The radius is not less than both sides.
    """
    _check_radius(images, radius)
    gain = strength * 10
    if _is_small(images, radius):
        result = convolve(images, sharpening_kernel(radius, sigma, gain))
    else:
        result = _two_passes(images, radius, sigma)
        for image, blurred in zip(images, result, strict=True):
            for rows in row_blocks(image.shape):
                blurred[rows] *= np.float32(-gain)
                blurred[rows] += image[rows] * np.float32(1 + gain)
    return np.clip(result, 0, 1, out=result)


def sharpening_kernel(radius: int, sigma: float, gain: float) -> Kernel:
    """Return the kernel that adds *gain* times the difference to the blurred image; its sum is 1 but for rounding."""
    kernel = gaussian_kernel(radius, sigma) * np.float32(-gain)
    # In this order: what it is rounded to decides whether white stays white.
    kernel[radius, radius] = kernel[radius, radius] - torch_sum(kernel) + np.float32(1)
    return kernel


def _check_radius(images: Floats, radius: int) -> None:
    batch, height, width, channels = images.shape
    for size, dimension, argument in ((width, 3, 4), (height, 2, 6)):
        if radius >= size:
            raise RuntimeError(
                f"Argument #{argument}: Padding size should be less than the corresponding input dimension, but got: "
                f"padding ({radius}, {radius}) at dimension {dimension} of input {[batch, channels, height, width]}"
            )


def _is_small(images: Floats, radius: int) -> bool:
    return (2 * radius + 1) ** 2 * images.size <= _DIRECT_LIMIT


def convolve(images: Floats, kernel: Kernel) -> Floats:
    """Convolve images (batch, height, width, channel) with a square kernel, reflected beyond the edges."""
    radius = len(kernel) // 2
    height, width = images.shape[1:3]
    result = np.empty(images.shape, np.float32)
    for image, target in zip(images, result, strict=True):
        padded = np.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="reflect").astype(np.float64)
        product = np.empty(image.shape, np.float64)
        for (row, column), weight in np.ndenumerate(kernel):
            # A fused multiply-add per tap, in reading order: the product is exact in float64, the sum is rounded.
            np.multiply(padded[row : row + height, column : column + width], np.float64(weight), out=product)
            if row or column:
                np.add(product, target, out=product)
            np.copyto(target, product, casting="same_kind")
    return result


def _two_passes(images: Floats, radius: int, sigma: float) -> Floats:
    line = np.exp(np.diagonal(_exponents(radius, sigma)) / 2)
    weights = (line / line.sum()).astype(np.float32)[radius:]
    result = np.empty(images.shape, np.float32)
    width, channels = images.shape[2:]
    for image, target in zip(images, result, strict=True):
        padded = np.pad(image.reshape(len(image), -1), ((radius, radius), (0, 0)), mode="reflect")
        for rows in row_blocks(image.shape):
            lines = padded[rows.start : rows.stop + 2 * radius]
            vertical = _symmetric_sum(lines, weights, 1, axis=0).reshape(-1, width, channels)
            wide = np.pad(vertical, ((0, 0), (radius, radius), (0, 0)), mode="reflect").reshape(len(vertical), -1)
            target[rows] = _symmetric_sum(wide, weights, channels, axis=1).reshape(vertical.shape)
    return result


def _symmetric_sum(lines: Floats, weights: Kernel, stride: int, axis: int) -> Floats:
    reach = (len(weights) - 1) * stride
    size = lines.shape[axis] - 2 * reach

    def shifted(offset: int) -> Floats:
        part = slice(reach + offset, reach + offset + size)
        return lines[part] if axis == 0 else lines[:, part]

    total: Floats = shifted(0) * weights[0]
    pair = np.empty_like(total)
    for number, weight in enumerate(weights[1:], 1):
        np.add(shifted(-number * stride), shifted(number * stride), out=pair)
        np.multiply(pair, weight, out=pair)
        np.add(total, pair, out=total)
    return total
