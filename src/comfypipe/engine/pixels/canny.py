"""Edges by Canny's method, as kornia 0.9 computes them."""

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.pixels.values import Floats

_GRAY = (0.299, 0.587, 0.114)
_SOBEL_SMOOTH = (1, 2, 1)
_REACH = 2
"""Pixels on either side that are smoothed together."""
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""Row and column step to the neighbour in each of eight directions, 45° apart from the right, downwards."""


def canny(images: Floats, low: float, high: float) -> Floats:
    """
    Find edges.

    Args:
        images: (batch, height, width, 3).
        low: Gradient above which a pixel that touches an edge belongs to it; the operator's gradients reach about 4.
        high: Gradient above which a pixel is an edge.

    Returns:
        (batch, height, width): 1 on edges, else 0.

    Raises:
        ValueError: *low* is more than *high*, or the image has transparency.
        RuntimeError: A side has no more than two pixels, so that its reflection cannot be smoothed.
    """
    if images.shape[3] != len(_GRAY):
        raise ValueError(f"image: {images.shape[3]} channels, expected 3; SplitImageWithAlpha takes transparency off")
    if low > high:
        raise ValueError(f"low_threshold: {low:g}, must not be more than high_threshold, {high:g}")
    if min(images.shape[1:3]) <= _REACH:
        height, width = images.shape[1:3]
        raise RuntimeError(f"image: {width}x{height} pixels, both sides must have more than {_REACH}")
    return np.stack([_edges(image, low, high) for image in images])


def _edges(image: Floats, low: float, high: float) -> Floats:
    gray = sum(np.float32(share) * image[..., channel] for channel, share in enumerate(_GRAY))
    across, down = _gradients(_smoothed(np.asarray(gray, np.float32)))
    strength = np.sqrt(across * across + down * down + np.float32(1e-6))
    thin = np.where(_is_crest(strength, across, down), strength, np.float32(0))
    return _connected(thin > low, thin > high).astype(np.float32)


def _smoothed(gray: Floats) -> Floats:
    bell = np.exp(np.array([-2.0, -0.5, 0.0, -0.5, -2.0])).astype(np.float32)
    weights = bell / bell.sum(dtype=np.float32)
    wide = np.pad(gray, ((0, 0), (_REACH, _REACH)), mode="reflect")
    rows = _weighted(weights, [wide[:, shift : shift + gray.shape[1]] for shift in range(5)])
    tall = np.pad(rows, ((_REACH, _REACH), (0, 0)), mode="reflect")
    return _weighted(weights, [tall[shift : shift + gray.shape[0]] for shift in range(5)])


def _weighted(weights: Floats, parts: list[Floats]) -> Floats:
    total = np.zeros_like(parts[0])
    for weight, part in zip(weights, parts, strict=True):
        total += weight * part
    return total


def _gradients(gray: Floats) -> tuple[Floats, Floats]:
    padded = np.pad(gray, 1, mode="edge")
    height, width = gray.shape
    across, down = np.zeros_like(gray), np.zeros_like(gray)
    for shift, share in enumerate(_SOBEL_SMOOTH):
        across += np.float32(share) * (padded[shift : shift + height, 2:] - padded[shift : shift + height, :-2])
        down += np.float32(share) * (padded[2:, shift : shift + width] - padded[:-2, shift : shift + width])
    return across, down


def _is_crest(strength: Floats, across: Floats, down: Floats) -> NDArray[np.bool_]:
    eighth = np.rint(np.degrees(np.arctan2(down, across, dtype=np.float64)) / 45).astype(int) % 4
    padded = np.pad(strength, 1)
    height, width = strength.shape
    crest = np.zeros(strength.shape, bool)
    for direction in range(4):
        row, column = _STEPS[direction]
        ahead = padded[1 + row : 1 + row + height, 1 + column : 1 + column + width]
        behind = padded[1 - row : 1 - row + height, 1 - column : 1 - column + width]
        crest |= (eighth == direction) & (strength > behind) & (strength >= ahead)
    return crest


def _connected(weak: NDArray[np.bool_], strong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    labels, _ = ndimage.label(weak | strong, structure=np.ones((3, 3)))
    kept = np.unique(labels[strong])
    return np.isin(labels, kept[kept > 0])
