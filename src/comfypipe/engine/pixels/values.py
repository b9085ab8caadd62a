"""Pixel values: types, conversion between 8 bits and floats, and arithmetic in blocks that stay in the cache."""

from collections.abc import Callable, Iterator
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
"""Images (batch, height, width, channel) or masks (batch, height, width), 0..1 as a rule."""

Bytes: TypeAlias = NDArray[np.uint8]
"""The same with 8-bit samples."""

BLOCK = 1 << 16
"""Samples worked on at a time: 256 KiB of float32, which fits a core's second-level cache a few times."""


def from_bytes(samples: Bytes, target: Floats | None = None) -> Floats:
    """Return ``samples / 255``, divided in float32; written to *target* where one is given."""
    return np.divide(samples, np.float32(255), out=target, dtype=np.float32)


def to_bytes(samples: Floats) -> Bytes:
    """Return ``255 * samples`` clamped to 0..255 and truncated (not rounded), as ComfyUI saves; NaN becomes 0."""
    source = np.ascontiguousarray(samples)
    result = np.empty(source.shape, np.uint8)
    buffer = np.empty(min(BLOCK, source.size), np.float32)
    with np.errstate(invalid="ignore"):
        for block in blocks(source.size):
            scaled = np.multiply(source.reshape(-1)[block], np.float32(255), out=buffer[: block.stop - block.start])
            np.clip(scaled, 0, 255, out=scaled)
            np.copyto(result.reshape(-1)[block], scaled, casting="unsafe")
    return result


def blocks(size: int, step: int = BLOCK) -> Iterator[slice]:
    """Cut ``range(size)`` into slices of at most *step*."""
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def blockwise(function: Callable[..., Floats], *operands: Floats) -> Floats:
    """
    Apply an elementwise *function* to images or masks that broadcast, some rows at a time.

    The result is that of ``function(*operands)``; temporaries stay in the cache, so it is several times faster on large
    images.
    """
    shape = np.broadcast_shapes(*(each.shape for each in operands))
    result = np.empty(shape, np.float32)
    spread = [np.broadcast_to(each, shape) for each in operands]
    for index in range(shape[0]):
        for rows in row_blocks(shape[1:]):
            result[index, rows] = function(*(each[index, rows] for each in spread))
    return result


def row_blocks(shape: tuple[int, ...], samples: int = BLOCK) -> Iterator[slice]:
    """Cut the first axis of *shape* into slices of about *samples* samples each, one row at least."""
    return blocks(shape[0], max(1, samples // max(1, prod(shape[1:]))))


def mask_batch(mask: Floats) -> Floats:
    """
    Return masks as (batch, height, width), whatever stood before height and width.

    Raises:
        RuntimeError: There is not one pixel in it.
    """
    if not mask.size:
        raise RuntimeError(f"a mask of shape {list(mask.shape)} is empty")
    return mask.reshape(-1, *mask.shape[-2:])
