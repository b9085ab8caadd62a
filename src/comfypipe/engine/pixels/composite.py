"""Pasting one image into another, through a mask."""

import numpy as np

from comfypipe.engine.pixels.resample import bilinear
from comfypipe.engine.pixels.shapes import check_broadcast
from comfypipe.engine.pixels.values import Floats, row_blocks


def composite(destination: Floats, source: Floats, left: int, top: int, mask: Floats | None = None) -> Floats:
    """
    Paste *source* into a copy of *destination*, cut to what is visible: ``mask * source + (1 - mask) * destination``.

    Args:
        destination: (batch, height, width, channel).
        source: The same; its batch is cut or repeated to that of the destination.
        left: Column of the destination where the source begins.
        top: Row where it begins.
        mask: (batch, height, width), stretched to the source's size; all of the source without one.

    Raises:
        RuntimeError: Channels differ, or the source begins outside on the left or top.
    """
    source = repeat_to(source, len(destination))
    height, width = source.shape[1:3]
    left, top = _clamped(left, width, destination.shape[2]), _clamped(top, height, destination.shape[1])
    rows, columns = slice(top, top + height), slice(left, left + width)
    visible = source[:, : destination.shape[1] - max(top, 0), : destination.shape[2] - max(left, 0)]
    _check_fit(visible, destination[:, rows, columns], masked=mask is not None)
    result = destination.copy()
    target = result[:, rows, columns]
    if mask is None:
        target[...] = visible
        return result
    fitted = repeat_to(bilinear(mask[..., None], width, height), len(source))
    _mix(target, visible, fitted[:, : target.shape[1], : target.shape[2]])
    return result


def repeat_to(images: Floats, batch: int) -> Floats:
    """Cut a batch to *batch* images, or go through it again until there are so many."""
    return images[:batch] if len(images) >= batch else images[np.arange(batch) % len(images)]


def _clamped(offset: int, size: int, limit: int) -> int:
    return max(-size, min(offset, limit))


def _check_fit(visible: Floats, target: Floats, *, masked: bool) -> None:
    # PyTorch sees (batch, channel, height, width); a mask is multiplied first, and has one channel.
    shapes = [(len(each), each.shape[3], *each.shape[1:3]) for each in (visible, target)]
    if masked:
        check_broadcast((shapes[0][0], 1, *shapes[0][2:]), shapes[1])
    check_broadcast(*shapes)


def _mix(target: Floats, source: Floats, mask: Floats) -> None:
    for below, above, share in zip(target, source, mask, strict=True):
        for rows in row_blocks(below.shape):
            weight = np.repeat(share[rows], below.shape[2], axis=2)
            mixed = weight * above[rows]
            mixed += (np.float32(1) - weight) * below[rows]
            below[rows] = mixed
