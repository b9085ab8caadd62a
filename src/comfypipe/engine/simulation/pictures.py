"""Pictures become latents and latents pictures: what a VAE would do, coarsely, and the same on every machine."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.arrays import check_size, zeros
from comfypipe.engine.pixels.values import Floats, blocks
from comfypipe.engine.simulation.families import Family
from comfypipe.engine.simulation.pattern import draw
from comfypipe.engine.simulation.stamp import Mark, stamp

Samples: TypeAlias = NDArray[np.float32]
OnPicture: TypeAlias = Callable[[int, int], None]
Weights: TypeAlias = tuple[NDArray[np.float64], ...]
Taps: TypeAlias = list[tuple[NDArray[np.intp], NDArray[np.float32]]]

_BAND_ROWS = 16

_LINES = 9
"""Contour lines from the lowest to the highest place."""
_LINE_SHADE = np.float32(0.22)
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
HINT_SIDE = 96
"""Longest side of the small picture that passes with what a picture went into."""


def encode(images: Floats, family: Family) -> Samples:
    """
    Return the latents of pictures: each cell has the mean colour of its pixels, and their brightness as its height.

    Args:
        images: (batch, height, width, channel); of families with frames the batch is one video.
    """
    cells = pooled(images[..., :3], family.factor)
    batch, height, width = cells.shape[:3]
    samples = zeros((batch, family.channels, height, width), "pixels")
    colours = cells * 2 - 1
    samples[:, :3] = colours.transpose(0, 3, 1, 2)
    if family.channels > 3:
        samples[:, 3] = brightness(colours)
    if family.frames is None:
        return samples
    return np.ascontiguousarray(samples[:: family.frames].transpose(1, 0, 2, 3)[None])


def pooled(images: Floats, factor: int) -> Floats:
    """Return the mean of each square of *factor* by *factor* pixels; rows and columns that fill none are left out."""
    batch, height, width, channels = images.shape
    rows, columns = max(1, height // factor), max(1, width // factor)
    down, across = min(factor, height), min(factor, width)
    total = np.zeros((batch, rows, columns, channels), np.float32)
    # One addition after the other: how NumPy's own sums are ordered depends on the processor.
    for y in range(down):
        for x in range(across):
            total += images[:, y : y + rows * down : down, x : x + columns * across : across, :][:, :rows, :columns]
    return np.divide(total, np.float32(down * across), dtype=np.float32)


def hint_of(images: Floats) -> Floats:
    """Return the first picture in small."""
    factor = max(1, -(-max(images.shape[1:3]) // HINT_SIDE))
    small: Floats = pooled(images[:1, ..., :3], factor)[0]
    return small


def brightness(colours: Floats) -> Floats:
    """Return how bright colours (…, 3) are."""
    weighted = colours * _GREY
    result: Floats = weighted[..., 0] + weighted[..., 1] + weighted[..., 2]
    return result


def picture_count(samples: Samples, family: Family) -> int:
    """Return how many pictures latents decode to."""
    return len(samples) * (1 if samples.ndim < 5 else (samples.shape[2] - 1) * (family.frames or 1) + 1)


def decode(samples: Samples, family: Family, mark: Mark, on_picture: OnPicture) -> Floats:
    """
    Return the pictures of latents, stamped; videos frame after frame.

    Args:
        samples: (batch, channel, height, width) or (batch, channel, frame, height, width).
        on_picture: Told how many of how many pictures are done; raises where the work is to stop.

    Returns:
        (batch, height, width, 3), 0..1.
    """
    count = picture_count(samples, family)
    shape = (count, samples.shape[-2] * family.factor, samples.shape[-1] * family.factor, 3)
    check_size(shape, "samples")
    pictures = np.empty(shape, np.float32)
    for index in range(count):
        cells = np.ascontiguousarray(_cells(samples, family, index, count).transpose(1, 2, 0))
        render(cells, pictures[index])
        stamp(pictures[index], mark, f"{index + 1} of {count}" if count > 1 else "")
        on_picture(index + 1, count)
    return pictures


def _cells(samples: Samples, family: Family, index: int, count: int) -> Samples:
    """Return the latent of a picture; frames between two latent frames are mixed of both."""
    if samples.ndim < 5:
        return np.asarray(samples[index])
    item, frame = divmod(index, count // len(samples))
    place = frame / (family.frames or 1)
    first = int(place)
    share = np.float32(place - first)
    now: Samples = samples[item, :, first]
    return now if not share else now + (samples[item, :, first + 1] - now) * share


def render(cells: Samples, picture: Floats) -> None:
    """
    Draw a latent (height, width, channel) into a picture: its colours enlarged, with contour lines of its height.

    Some rows at a time, so that what is worked on stays in the cache.

    Args:
        picture: (height, width, 3); filled.
    """
    height, width = picture.shape[:2]
    heights = cells[..., 3:4] if cells.shape[-1] > 3 else brightness(cells[..., :3])[..., None]
    colour_rows = enlarge(cells[..., :3], taps(cells.shape[0], height, catmull_rom), 0)
    height_rows = enlarge(heights, taps(cells.shape[0], height, b_spline), 0)
    colour_taps, height_taps = (taps(cells.shape[1], width, kernel) for kernel in (catmull_rom, b_spline))
    for band in blocks(height, _BAND_ROWS):
        part = picture[band]
        part[...] = enlarge(colour_rows[band], colour_taps, 1)
        part *= np.float32(0.5)
        part += np.float32(0.5)
        above = min(band.start, 1)  # the slope is taken from the row above
        wide = enlarge(height_rows[band.start - above : band.stop], height_taps, 1)[..., 0]
        part *= (np.float32(1) - _LINE_SHADE * contours(wide, min(height, width))[above:])[..., None]
        np.clip(part, 0, 1, out=part)


def contours(heights: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """
    Return 1 on contour lines of a field within -1..1, 0 between them, about a pixel and a half wide.

    Args:
        side: Shorter side of the whole picture, of which *heights* may be a part.
    """
    levels = heights * np.float32(_LINES / 2)
    distance = np.abs(levels - np.round(levels))
    slope = np.zeros_like(levels)
    slope[:, 1:] += np.square(levels[:, 1:] - levels[:, :-1])
    slope[1:] += np.square(levels[1:] - levels[:-1])
    slope = np.maximum(np.sqrt(slope), np.float32(1e-4))
    wide = np.float32(max(0.8, side / 900))
    lines: NDArray[np.float32] = np.clip(wide + np.float32(0.5) - distance / slope, 0, 1)
    # Where the field is all but flat there is no line to draw, however close to a level it is.
    return lines * np.clip(slope * np.float32(side / 1.5), 0, 1)


def catmull_rom(t: NDArray[np.float64]) -> Weights:
    """Return the weights of four neighbours at *t* of the way from the second to the third; keeps their values."""
    square, cube = t * t, t * t * t
    return (
        (2 * square - t - cube) / 2,
        (3 * cube - 5 * square + 2) / 2,
        (4 * square - 3 * cube + t) / 2,
        (cube - square) / 2,
    )


def b_spline(t: NDArray[np.float64]) -> Weights:
    """Return the weights of four neighbours, for a curve without kinks that passes near their values."""
    s = 1 - t
    return s * s * s / 6, (4 - 6 * t * t + 3 * t * t * t) / 6, (4 - 6 * s * s + 3 * s * s * s) / 6, t * t * t / 6


def taps(old: int, new: int, kernel: Callable[[NDArray[np.float64]], Weights]) -> Taps:
    """Return for each of four taps which of *old* samples it takes for each of *new* ones, and by what weight."""
    places = (np.arange(new) + 0.5) * old / new - 0.5
    first = np.floor(places)
    indices = (np.clip(first.astype(np.intp) + (tap - 1), 0, old - 1) for tap in range(4))
    return [(index, each.astype(np.float32)) for index, each in zip(indices, kernel(places - first), strict=True)]


def enlarge(cells: Samples, by: Taps, axis: int) -> Samples:
    """Resample (height, width, channel) along an axis."""
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    (index, weights), *rest = by
    result = cells.take(index, axis=axis)
    result *= weights.reshape(shape)
    for index, weights in rest:
        part = cells.take(index, axis=axis)
        part *= weights.reshape(shape)
        result += part
    return result


def enlarged(cells: Samples, height: int, width: int) -> Samples:
    """Resample (height, width, channel) both ways."""
    rows = enlarge(cells, taps(cells.shape[0], height, catmull_rom), 0)
    return enlarge(rows, taps(cells.shape[1], width, catmull_rom), 1)


def draw_picture(key: bytes, palette_key: bytes, height: int, width: int, moment: float = 0.0) -> Floats:
    """Return a picture (height, width, 3) that no latent stands behind; not stamped yet."""
    factor = max(1, min(8, max(height, width) // 64))
    cells = draw(key, palette_key, max(1, -(-height // factor)), max(1, -(-width // factor)), moment)
    picture = np.empty((height, width, 3), np.float32)
    render(cells, picture)
    return picture
