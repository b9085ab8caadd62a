"""
Resampling of images (batch, height, width, channel), float32.

``nearest-exact``, ``bilinear``, ``bicubic`` and ``area`` follow PyTorch's ``interpolate`` on CPU without antialias and
with half-pixel centres, to the bit unless an image is large; ``lanczos`` is Pillow's antialiased filter on 8 bits.
Sources: observed results of torch 2.13 (AVX2, two threads) and Pillow 13.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from comfypipe.engine.arrays import check_size
from comfypipe.engine.pixels.fused import Weights, fma, fma_sum
from comfypipe.engine.pixels.values import Floats, blocks, from_bytes, row_blocks, to_bytes

Indices = NDArray[np.intp]
Lines = NDArray[np.floating[Any]]

_GATHER_SAMPLES = 1 << 15
"""Samples per block of a pass: its float64 temporaries fit the second-level cache."""

_EXACT_SAMPLES = 1 << 22
"""Samples of the larger of old and new image up to which sums are fused as on the real server, to the last bit."""

_BAND_ROWS = 64
"""Old rows that are worked on at a time: enough for long inner loops, few enough to stay in the cache."""


def resize(images: Floats, width: int, height: int, method: str) -> Floats:
    """
    Resample to *width* by *height* pixels.

    Channels are independent of each other: a latent is resized as images of one channel.

    Raises:
        RuntimeError: A side of input or output is zero; but ``area`` gives an image without pixels then.
        NotImplementedError: There is no such *method*.
        ValueError: A side is zero for ``lanczos``; the result would be too large.
    """
    if method not in RESAMPLERS:
        raise NotImplementedError(f"unknown upscale_method {method!r}: expected one of {', '.join(RESAMPLERS)}")
    if min(width, height) < 1 <= min(images.shape[1:3]) and method == "area":
        return np.zeros((len(images), height, width, images.shape[3]), np.float32)
    if min(width, height, *images.shape[1:3]) < 1:
        raise (ValueError if method == "lanczos" else RuntimeError)(
            "Input and output sizes should be greater than 0, but got "
            f"input (H: {images.shape[1]}, W: {images.shape[2]}) output (H: {height}, W: {width})"
        )
    check_size((len(images), height, width, images.shape[3]), "width, height")
    return RESAMPLERS[method](images, width, height)


def resize_cropped(images: Floats, width: int, height: int, method: str) -> Floats:
    """Trim to the proportions of *width* by *height* about the centre, then resample."""
    rows, columns = images.shape[1:3]
    x, y = margins(columns, rows, width, height)
    return resize(images[:, y : rows - y, x : columns - x], width, height, method)


def margins(columns: int, rows: int, width: int, height: int) -> tuple[int, int]:
    """
    Return how much to trim left and right, above and below, for the proportions of *width* by *height*.

    As much is cut from either side, so the trimmed side keeps its parity.
    """
    ratio, wanted = columns / rows if rows else 0, width / height if height else 0
    x = round((columns - columns * (wanted / ratio)) / 2) if ratio > wanted else 0
    y = round((rows - rows * (ratio / wanted)) / 2) if ratio < wanted else 0
    return x, y


def nearest_exact(images: Floats, width: int, height: int) -> Floats:
    """Take the sample whose cell holds the centre of the new pixel."""
    rows, columns = _nearest(images.shape[1], height), _nearest(images.shape[2], width)
    return images.take(rows, axis=1).take(columns, axis=2)


def _nearest(size: int, new_size: int) -> Indices:
    scale = np.float32(size) / np.float32(new_size)
    index = np.floor((np.arange(new_size, dtype=np.float32) + np.float32(0.5)) * scale).astype(np.intp)
    return np.asarray(np.minimum(index, size - 1))


@dataclass(frozen=True, slots=True)
class Taps:
    """
    Which samples of a line make up each new sample.

    Attributes:
        indices: For each tap, the index of the old sample by new sample.
        weights: For each tap, its weight by new sample.
    """

    indices: Sequence[Indices]
    weights: Sequence[Weights]


def bilinear(images: Floats, width: int, height: int) -> Floats:
    """
    Interpolate linearly between the two nearest samples on each axis.

    PyTorch has two ways: rows, then columns; or all four corners at once, with multiplied weights, for small results
    and for contiguous images of more than three channels. Both are followed, since they differ in the last bit.
    """
    across, down = _linear_taps(images.shape[2], width), _linear_taps(images.shape[1], height)
    exact = width * height * images.shape[3] <= _EXACT_SAMPLES
    if width + height <= 128 or (exact and images.shape[3] > 3 and images.flags.c_contiguous):
        return _four_corners(images, across, down)
    return _separable(images, across, down)


def _linear_taps(size: int, new_size: int) -> Taps:
    centre = np.maximum(_source_positions(size, new_size), np.float32(0))
    first = np.minimum(np.floor(centre).astype(np.intp), size - 1)
    second_weight = np.clip(centre - first.astype(np.float32), np.float32(0), np.float32(1))
    return Taps((first, np.minimum(first + 1, size - 1)), (np.float32(1) - second_weight, second_weight))


def _source_positions(size: int, new_size: int) -> Weights:
    scale = np.array(np.float32(size) / np.float32(new_size))
    return fma(scale, np.arange(new_size, dtype=np.float32) + np.float32(0.5), np.array(-0.5))


def _four_corners(images: Floats, across: Taps, down: Taps) -> Floats:
    (left, right), (upper, lower) = across.indices, down.indices
    left_weight, right_weight = (each[:, None] for each in across.weights)
    upper_weight, lower_weight = (each[:, None, None] for each in down.weights)
    result = np.empty((len(images), len(upper), len(left), images.shape[3]), np.float32)
    for image, target in zip(images, result, strict=True):
        for rows in row_blocks(target.shape, _GATHER_SAMPLES):
            above, below = image[upper[rows]], image[lower[rows]]
            over, under = upper_weight[rows], lower_weight[rows]
            values = above[:, left], above[:, right], below[:, left], below[:, right]
            weights = over * left_weight, over * right_weight, under * left_weight, under * right_weight
            target[rows] = fma_sum(values, weights)
    return result


def bicubic(images: Floats, width: int, height: int) -> Floats:
    """Interpolate by cubic convolution (A = -0.75) over four samples on each axis; results may leave 0..1."""
    return _separable(images, _cubic_taps(images.shape[2], width), _cubic_taps(images.shape[1], height))


def _cubic_taps(size: int, new_size: int) -> Taps:
    centre = _source_positions(size, new_size)
    base = np.floor(centre)
    near = centre - base
    far = np.float32(1) - near
    weights = (
        _cubic_outer(near + np.float32(1)),
        _cubic_inner(near),
        _cubic_inner(far),
        _cubic_outer(far + np.float32(1)),
    )
    indices = tuple(np.clip(base.astype(np.intp) + shift, 0, size - 1) for shift in (-1, 0, 1, 2))
    return Taps(indices, weights)


# The last step of both polynomials is not fused in torch's build: found by trying which bits come out.


def _cubic_inner(distance: Weights) -> Weights:
    return fma(np.array(1.25), distance, np.array(-2.25)) * distance * distance + np.float32(1)


def _cubic_outer(distance: Weights) -> Weights:
    inner = fma(fma(np.array(-0.75), distance, np.array(3.75)), distance, np.array(-6.0))
    return inner * distance + np.float32(3)


def _separable(images: Floats, across: Taps, down: Taps) -> Floats:
    height, width, channels = len(down.indices[0]), len(across.indices[0]), images.shape[3]
    result = np.empty((len(images), height, width, channels), np.float32)
    across = _by_sample(across, channels)
    used = min(images.shape[1], len(down.indices) * height)
    precision = np.float64 if max(images[0].size, result[0].size) <= _EXACT_SAMPLES else np.float32
    for image, target in zip(images, result, strict=True):
        for band in blocks(height, max(1, _BAND_ROWS * height // used)):
            rows, taps = _used_rows(down, band)
            lines = _sum_columns(image, rows, across, precision)
            weighted_rows(lines, taps, target[band].reshape(-1, width * channels))
    return result


def _by_sample(taps: Taps, channels: int) -> Taps:
    offsets = np.arange(channels)
    indices = tuple((each[:, None] * channels + offsets).reshape(-1) for each in taps.indices)
    return Taps(indices, tuple(np.repeat(each, channels) for each in taps.weights))


def _used_rows(taps: Taps, band: slice) -> tuple[Indices, Taps]:
    rows, places = np.unique(np.stack([each[band] for each in taps.indices]), return_inverse=True)
    return rows, Taps(tuple(places.reshape(len(taps.indices), -1)), tuple(each[band] for each in taps.weights))


def _sum_columns(image: Floats, rows: Indices, across: Taps, precision: DTypeLike) -> Lines:
    # Turned by a quarter, a sample's neighbours are whole rows: picking one copies a contiguous run.
    adjacent = rows[-1] - rows[0] + 1 == len(rows)
    used = image[rows[0] : rows[-1] + 1] if adjacent else image[rows]
    turned = used.reshape(len(rows), -1).T.astype(precision, order="C")
    summed = np.empty((len(across.indices[0]), len(rows)), np.float32)
    weighted_rows(turned, across, summed)
    return summed.T.astype(precision, order="C")


def weighted_rows(lines: Lines, taps: Taps, target: Floats) -> None:
    """
    Set each row of *target* to the weighted sum of some *lines*, in the order in which compilers fuse it.

    That is ``fma(v0, w0, v1 * w1)``, then ``fma`` with each further pair, each rounded to float32.

    Args:
        lines: Float32 values, held in float64: their products with weights are then exact, as in a fused operation.
            Held in float32, products are rounded too.
        taps: Which lines make up each row of *target*.
        target: (row, sample), written.
    """
    order = (1, 0, *range(2, len(taps.indices)))
    for block in row_blocks(target.shape, _GATHER_SAMPLES):
        part = target[block]
        product = np.empty(part.shape, lines.dtype)
        for number, tap in enumerate(order):
            lines.take(taps.indices[tap][block], axis=0, out=product, mode="clip")
            np.multiply(product, taps.weights[tap][block, None].astype(lines.dtype), out=product)
            if number:
                np.add(product, part, out=part, casting="same_kind")
            else:
                np.copyto(part, product, casting="same_kind")


def area(images: Floats, width: int, height: int) -> Floats:
    """Average the window of old pixels that each new pixel touches, summed in reading order."""
    channels = images.shape[3]
    top, tall = _windows(images.shape[1], height)
    left, wide = _windows(images.shape[2], width)
    columns = _by_sample(Taps(tuple(_window_columns(left, wide, images.shape[2])), ()), channels).indices
    divisors = np.repeat(wide, channels)[:, None].astype(np.float32)
    result = np.empty((len(images), height, width, channels), np.float32)
    for image, target in zip(images, result, strict=True):
        for band in blocks(height, _BAND_ROWS):
            total = _window_sums(image, top[band], tall[band], columns)
            total /= tall[band].astype(np.float32)
            total /= divisors
            target[band] = total.T.reshape(-1, width, channels)
    return result


def _windows(size: int, new_size: int) -> tuple[Indices, Indices]:
    index = np.arange(new_size)
    start = index * size // new_size
    return start, -(-(index + 1) * size // new_size) - start


def _window_columns(left: Indices, wide: Indices, end: int) -> Iterator[Indices]:
    # Where a window is narrower than others, its last place is taken by the zeros that stand behind the last column.
    return (np.where(wide > place, left + place, end) for place in range(wide.max()))


def _window_sums(image: Floats, top: Indices, tall: Indices, columns: Sequence[Indices]) -> Floats:
    samples, channels = image[0].size, image.shape[2]
    total = np.zeros((len(columns[0]), len(top)), np.float32)
    turned = np.zeros((samples + channels, len(top)), np.float32)
    for row in range(tall.max()):
        inside = tall > row
        turned[:samples] = image[np.where(inside, top + row, 0)].reshape(len(top), -1).T
        turned[:, ~inside] = 0
        for each in columns:
            for part in row_blocks(total.shape, _GATHER_SAMPLES):
                total[part] += turned.take(each[part], axis=0)
    return total


def lanczos(images: Floats, width: int, height: int) -> Floats:
    """Filter 8-bit copies with Pillow's windowed sinc, which averages over more samples when shrinking."""
    result = np.empty((len(images), height, width, images.shape[3]), np.float32)
    for image, target in zip(images, result, strict=True):
        samples = to_bytes(image)
        picture = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
        resized = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
        from_bytes(resized.reshape(target.shape), target)
    return result


RESAMPLERS: Mapping[str, Callable[[Floats, int, int], Floats]] = {
    "nearest-exact": nearest_exact,
    "bilinear": bilinear,
    "area": area,
    "bicubic": bicubic,
    "lanczos": lanczos,
}
"""By the names that nodes give them."""
