"""Greatest and smallest values in a neighbourhood: the morphology of images and masks."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from comfypipe.engine.pixels.values import Floats

_Pick = Callable[..., Any]


def window_extremes(images: Floats, size: int, pick: _Pick, before: int) -> Floats:
    """
    Return for each pixel the extreme of a square window around it; what is outside the image counts for nothing.

    Args:
        images: (batch, height, width, channel).
        size: Side of the window, in pixels.
        pick: `numpy.maximum` or `numpy.minimum`.
        before: Pixels of the window above and left of the centre.
    """
    result = np.empty(images.shape, np.float32)
    for index in range(len(images)):  # one by one: what is needed besides is that of a single image
        one = images[index : index + 1]
        for axis in (1, 2):
            one = _line_extremes(one, size, pick, before, axis)
        result[index] = one[0]
    return result


def _line_extremes(images: Floats, size: int, pick: _Pick, before: int, axis: int) -> Floats:
    # Windows double in length until one more overlapping pair covers the whole: logarithmic in size.
    lines = np.moveaxis(images, axis, 0)
    neutral = np.float32(-np.inf if pick is np.maximum else np.inf)
    after = size - 1 - before
    padded = np.full((len(lines) + size - 1, *lines.shape[1:]), neutral, np.float32)
    padded[before : len(padded) - after] = lines
    length = 1
    while length < size:
        step = min(length, size - length)
        padded = pick(padded[:-step], padded[step:])
        length += step
    return np.ascontiguousarray(np.moveaxis(padded, 0, axis))


def dilate(images: Floats, size: int) -> Floats:
    """Spread bright pixels; the window of an even size reaches farther right and down."""
    return window_extremes(images, size, np.maximum, size - 1 - size // 2)


def erode(images: Floats, size: int) -> Floats:
    """Spread dark pixels; the window of an even size reaches farther left and up."""
    return window_extremes(images, size, np.minimum, size // 2)


def opened(images: Floats, size: int) -> Floats:
    """Erode, then dilate: bright specks go."""
    return dilate(erode(images, size), size)


def closed(images: Floats, size: int) -> Floats:
    """Dilate, then erode: dark specks go."""
    return erode(dilate(images, size), size)


OPERATIONS: Mapping[str, Callable[[Floats, int], Floats]] = {
    "erode": erode,
    "dilate": dilate,
    "open": opened,
    "close": closed,
    "gradient": lambda images, size: dilate(images, size) - erode(images, size),
    "bottom_hat": lambda images, size: closed(images, size) - images,
    "top_hat": lambda images, size: images - opened(images, size),
}
"""Morphological operations with a square window, by the names that nodes give them."""


def grow(masks: Floats, steps: int, *, tapered: bool) -> Floats:
    """
    Grow (or, with negative *steps*, shrink) masks (batch, height, width) pixel by pixel.

    Args:
        masks: Grey values are spread as they are.
        steps: How far, in pixels.
        tapered: To the four neighbours at each step, which leaves a diamond of a dot; else to all eight: a square.
    """
    pick, distance = (np.maximum, steps) if steps >= 0 else (np.minimum, -steps)
    if tapered:
        return _grow_diamond(masks, distance, pick)
    reach = min(distance, max(masks.shape[1:], default=0))
    return window_extremes(masks[..., None], 2 * reach + 1, pick, reach)[..., 0]


def _grow_diamond(masks: Floats, distance: int, pick: _Pick) -> Floats:
    result = np.empty(masks.shape, np.float32)
    for index in range(len(masks)):
        result[index] = _grow_one_diamond(masks[index : index + 1], distance, pick)[0]
    return result


def _grow_one_diamond(masks: Floats, distance: int, pick: _Pick) -> Floats:
    current = masks.copy()
    for _ in range(distance):
        grown = current.copy()
        for target, source in ((_TAIL, _HEAD), (_HEAD, _TAIL)):
            pick(grown[:, target], current[:, source], out=grown[:, target])
            pick(grown[:, :, target], current[:, :, source], out=grown[:, :, target])
        if np.array_equal(grown, current):
            break
        current = grown
    return current


_HEAD, _TAIL = slice(None, -1), slice(1, None)
