"""Reduction to a palette, with error diffusion or ordered dithering."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from comfypipe.engine.pixels.values import Bytes, Floats, from_bytes, to_bytes

_DITHERS = {"none": Image.Dither.NONE, "floyd-steinberg": Image.Dither.FLOYDSTEINBERG}
_ORDERS = {f"bayer-{order}": order for order in (2, 4, 8, 16)}
DITHERS = (*_DITHERS, *_ORDERS)
"""Names of the ways to dither; ``bayer-N`` adds a pattern of N by N."""


def quantize(images: Floats, colors: int, dither: str) -> Floats:
    """
    Reduce each image to at most *colors* colours, found by median cut.

    Raises:
        ValueError: Images are not RGB, or there is no such *dither*.
    """
    if images.shape[3] != 3:
        raise ValueError("Invalid mode for data type")
    if dither not in DITHERS:
        raise ValueError(f"unknown dither {dither!r}: expected one of {', '.join(DITHERS)}")
    result = np.empty(images.shape, np.float32)
    for samples, target in zip(to_bytes(images), result, strict=True):
        palette = Image.fromarray(samples).quantize(colors)
        patterned = _add_pattern(samples, palette, _ORDERS[dither]) if dither in _ORDERS else samples
        reduced = Image.fromarray(patterned).quantize(palette=palette, dither=_DITHERS.get(dither, Image.Dither.NONE))
        from_bytes(np.asarray(reduced.convert("RGB")), target)
    return result


def _add_pattern(samples: Bytes, palette: Image.Image, order: int) -> Bytes:
    steps = len(palette.getpalette() or ()) // 3
    pattern = (512 / steps * bayer_matrix(order) + 0.5).astype(np.float32)
    height, width = samples.shape[:2]
    tiled = np.tile(pattern, (-(-height // order), -(-width // order)))[:height, :width, None]
    return np.asarray(np.clip(samples + tiled, 0, 255).astype(np.uint8))


def bayer_matrix(order: int) -> NDArray[np.float64]:
    """
    Return the ordered-dither pattern of *order* by *order* values, evenly spread about zero within -0.5..0.5.

    Each quadrant is the pattern of half the order, scaled down and shifted by one of four steps.
    """
    if order == 1:
        return np.zeros((1, 1))
    half, cells = bayer_matrix(order // 2), order * order
    shifts = np.array([[-1.5, 0.5], [1.5, -0.5]])
    return np.block([[half * cells + shift for shift in row] for row in shifts]) / cells
