"""Fused multiply-add in float32, and the weighted sums that PyTorch builds of it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.pixels.values import Floats

Weights = NDArray[np.float32]


def fma(a: NDArray[Any], b: NDArray[Any] | np.float32, c: NDArray[Any] | np.float32) -> Floats:
    """
    Return ``a * b + c`` rounded once to float32.

    The product of two float32 is exact in float64; the sum is rounded twice there, which differs from the hardware's
    single rounding about once in 2**29 samples.
    """
    product: NDArray[np.float64] = np.multiply(a, b, dtype=np.float64)
    total: NDArray[np.float64] = np.add(product, c, out=product)
    return total.astype(np.float32)


def fma_sum(values: Sequence[NDArray[Any]], weights: Sequence[Weights]) -> Floats:
    """
    Return the weighted sum of *values* in the order in which compilers fuse ``v0*w0 + v1*w1 + v2*w2 + …``.

    That is ``fma(v0, w0, v1 * w1)``, then ``fma`` with each further pair. Values may be float64 copies of float32
    values, which saves conversions.
    """
    second = np.multiply(values[1], weights[1], dtype=np.float64).astype(np.float32)
    total = fma(values[0], weights[0], second)
    for value, weight in zip(values[2:], weights[2:], strict=True):
        total = fma(value, weight, total)
    return total


def rounded(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], values: NDArray[np.float32]) -> Floats:
    """
    Return a function of *values* taken in float64 and rounded to float32, infinite where that is too large.

    That is the same on every processor, and for sines, exponentials and the like nearer to PyTorch's than float32 is.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.asarray(function(values.astype(np.float64)).astype(np.float32))


def torch_linspace(start: float, end: float, count: int) -> Floats:
    """Return *count* evenly spaced float32, counted from the nearer end and rounded once, as PyTorch does."""
    if count == 1:
        return np.array([start], np.float32)
    first, last = np.float32(start), np.float32(end)
    step = np.float32(last - first) / np.float32(count - 1)
    index = np.arange(count, dtype=np.float32)
    return np.where(index < count // 2, fma(index, step, first), fma(index[::-1], -step, last))


_LANES, _CHAINS, _LEVELS = 8, 4, 4


def torch_sum(values: NDArray[np.float32]) -> np.float32:
    """
    Return the float32 sum of a contiguous array, added up in PyTorch's order.

    Source: ``SumKernel.cpp`` of PyTorch with 256-bit vectors: eight lanes, four chains each, in a cascade of four
    levels; then what is left over, then the lanes.
    """
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    rows = flat[: flat.size // _LANES * _LANES].reshape(-1, _LANES)
    chained = len(rows) // _CHAINS * _CHAINS
    chains = _cascade(rows[:chained].reshape(-1, _CHAINS, _LANES))
    for row in rows[chained:]:
        chains[0] += row
    for chain in chains[1:]:
        chains[0] += chain
    total = np.float32(0)
    for value in (*flat[rows.size :], *chains[0]):
        total += value
    return total


def _cascade(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    power = max(4, (max(len(rows), 1) - 1).bit_length() // _LEVELS)
    step = 1 << power
    levels = np.zeros((_LEVELS, *rows.shape[1:]), np.float32)
    for number, row in enumerate(rows, 1):
        levels[0] += row
        carried = number
        for level in range(1, _LEVELS):
            if carried % step:
                break
            carried //= step
            levels[level] += levels[level - 1]
            levels[level - 1] = 0
    for level in levels[1:]:
        levels[0] += level
    return np.asarray(levels[0])
