"""Scale latents by interpolating directions and lengths apart ("bislerp"), one axis after the other."""

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.latents.value import Samples
from comfypipe.engine.pixels.fused import rounded
from comfypipe.engine.pixels.resample import bilinear

_NEARLY_PARALLEL = np.float32(1e-5)


def bislerp(samples: Samples, width: int, height: int) -> Samples:
    """
    Resample (…, channel, height, width); the channels of a cell are a vector.

    Raises:
        RuntimeError: A side of the result is zero.

    Source: ComfyUI ``bislerp`` (0.3.64), as observed.
    """
    if min(width, height) < 1:
        raise RuntimeError(f"samples cannot be scaled to {width}x{height} cells")
    across = _scale_last(samples, width)
    return np.ascontiguousarray(_scale_last(across.swapaxes(-1, -2), height).swapaxes(-1, -2))


def _scale_last(samples: Samples, size: int) -> Samples:
    first, second, share = _neighbours(samples.shape[-1], size)
    return _slerp(samples[..., first], samples[..., second], share)


def _neighbours(size: int, new_size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return for each new place its two old neighbours, and how far it is on the way from one to the other."""
    index = np.arange(size, dtype=np.float32)
    place = _interpolated(index, new_size)
    after = _interpolated(np.minimum(index + 1, np.float32(size - 1)), new_size)
    return place.astype(np.intp), after.astype(np.intp), place - np.floor(place)


def _interpolated(line: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    return bilinear(line[None, None, :, None], size, 1).reshape(-1)


def _slerp(start: Samples, end: Samples, share: NDArray[np.float32]) -> Samples:
    """Turn from *start* to *end* by *share* of their angle; vectors lie along the third axis from the end."""
    start_length, end_length = _length(start), _length(end)
    start_unit, end_unit = _divided(start, start_length), _divided(end, end_length)
    cosine = (start_unit * end_unit).sum(axis=-3, keepdims=True)
    rest = np.float32(1) - share
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = rounded(np.arccos, cosine)
        direction = rounded(np.sin, rest * angle) * start_unit + rounded(np.sin, share * angle) * end_unit
        turned = direction / rounded(np.sin, angle) * (start_length * rest + end_length * share)
    same, opposite = cosine > 1 - _NEARLY_PARALLEL, cosine < _NEARLY_PARALLEL - 1
    return np.where(same, start, np.where(opposite, start * rest + end * share, turned)).astype(np.float32)


def _length(vectors: Samples) -> Samples:
    return np.asarray(np.sqrt(np.square(vectors).sum(axis=-3, keepdims=True)))


def _divided(vectors: Samples, length: Samples) -> Samples:
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length != 0)
