"""Normal random numbers as PyTorch's CPU generator draws them."""

import math
from math import prod

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.pixels.values import Floats, blocks

_GROUP = 16


def torch_randn(shape: tuple[int, ...], seed: int) -> Floats:
    """
    Draw what ``torch.randn(shape)`` gives after ``torch.manual_seed(seed)``.

    A Mersenne twister seeded with the low 32 bits; Box-Muller on groups of sixteen 24-bit uniforms, of which the first
    eight give radii and the others angles; a last group that is not full is drawn anew over the end. Fewer than sixteen
    numbers are made one by one, from doubles.
    """
    count = prod(shape)
    if count < _GROUP:
        return _scalar_normals(count, seed).astype(np.float32).reshape(shape)
    generator = np.random.RandomState(seed & 0xFFFFFFFF)
    normals = np.empty(count, np.float32)
    whole = count - count % _GROUP
    for block in blocks(whole):  # as much at a time as stays in the cache
        normals[block] = _box_muller(_uniforms(_words(block.stop - block.start, generator)))
    if count % _GROUP:
        _words(count % _GROUP, generator)  # drawn, and not used
        normals[-_GROUP:] = _box_muller(_uniforms(_words(_GROUP, generator)))
    return normals.reshape(shape)


def _words(count: int, generator: np.random.RandomState) -> NDArray[np.uint32]:
    return np.frombuffer(generator.bytes(4 * count), "<u4").astype(np.uint32, copy=False)


def _uniforms(words: NDArray[np.uint32]) -> Floats:
    return np.asarray((words & 0xFFFFFF).astype(np.float32) * np.float32(2**-24))


def _box_muller(uniforms: Floats) -> Floats:
    groups = uniforms.reshape(-1, 2, _GROUP // 2)
    radius = np.sqrt(-2 * np.log(np.float32(1) - groups[:, 0], dtype=np.float64))
    angle = (np.float32(2 * math.pi) * groups[:, 1]).astype(np.float64)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32).reshape(-1)


def _scalar_normals(count: int, seed: int) -> NDArray[np.float64]:
    words = _words(2 * (count + count % 2), np.random.RandomState(seed & 0xFFFFFFFF)).astype(np.uint64)
    doubles = (((words[::2] << 32) | words[1::2]) & (2**53 - 1)) * 2.0**-53
    angle, radius = 2 * math.pi * doubles[::2], np.sqrt(-2 * np.log1p(-doubles[1::2]))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]
