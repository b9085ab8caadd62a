"""Arrays whose size comes out of a prompt."""

from math import prod

import numpy as np
from numpy.typing import NDArray

LIMIT_BYTES = 16 * 2**30
"""What one array made from nothing may take: a slip in a number shall not stop the machine."""


def zeros(shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
    """
    Make a float32 array of zeros.

    Args:
        name: The inputs that decide its size, for the message.

    Raises:
        ValueError: It would take more than 16 GiB, or a side is negative.
    """
    check_size(shape, name)
    if min(shape) < 0:
        raise ValueError(f"{name}: no array has the shape {shape}")
    return np.zeros(shape, np.float32)


def check_proportions(images: NDArray[np.float32], name: str) -> None:
    """
    Refuse images without proportions: of no height or no width.

    Raises:
        ZeroDivisionError: As ComfyUI's own code does, but in words.
    """
    if not images.shape[1] or not images.shape[2]:
        raise ZeroDivisionError(f"{name}: there is not one pixel in images of shape {list(images.shape)}")


def check_size(shape: tuple[int, ...], name: str) -> None:
    """
    Refuse a float32 array of *shape* that would be too large.

    Raises:
        ValueError: It would take more than 16 GiB.
    """
    size_bytes = 4 * prod(shape)
    if size_bytes > LIMIT_BYTES:
        raise ValueError(f"{name}: {shape} numbers would take {size_bytes / 2**30:.4g} GiB, at most 16 GiB are allowed")
