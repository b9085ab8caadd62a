"""LATENT values: what samplers work on, here only moved, cut, scaled and added."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.pixels.composite import repeat_to
from comfypipe.engine.pixels.resample import resize, resize_cropped

Latent: TypeAlias = dict[str, Any]
"""
``samples`` is float32: (batch, channel, height, width), for videos (batch, channel, frame, height, width), for sound
(batch, channel, …). ``noise_mask``, ``batch_index`` and ``type`` may stand beside it.
"""
Samples: TypeAlias = NDArray[np.float32]

RANKS = {
    3: "(batch, channel, length)",
    4: "(batch, channel, height, width)",
    5: "(batch, channel, frame, height, width)",
}


def samples_of(latent: Latent, name: str, ranks: Sequence[int] = (3, 4, 5)) -> Samples:
    """
    Return the samples of what came through input *name*.

    Args:
        ranks: Numbers of dimensions that the node can work on.

    Raises:
        ValueError: There are no samples, or of another rank.
    """
    samples = latent.get("samples")
    if not isinstance(samples, np.ndarray) or samples.ndim not in ranks:
        wanted = " or ".join(RANKS[rank] for rank in ranks)
        found = samples.shape if isinstance(samples, np.ndarray) else type(samples).__name__
        raise ValueError(f"{name}: expected samples of {wanted}, got {found}")
    return samples


def scale(samples: Samples, width: int, height: int, method: str, *, crop: bool = False) -> Samples:
    """
    Resample to *width* by *height* cells; each channel and frame is an image of its own.

    Args:
        method: One of `comfypipe.engine.pixels.resample.RESAMPLERS`.
        crop: Trim to the new proportions first, about the centre.

    Raises:
        RuntimeError: A side is zero.
    """
    images = samples.reshape(-1, *samples.shape[-2:], 1)
    scaled = (resize_cropped if crop else resize)(images, width, height, method)
    return scaled.reshape(*samples.shape[:-2], height, width)


def fit(samples: Samples, target: Samples) -> Samples:
    """
    Bring *samples* to the height and width of *target*, bilinearly and about the centre, and to its batch size.

    Raises:
        RuntimeError: Channels, frames or ranks differ.
    """
    return repeat_to(fit_size(samples, target), len(target))


def fit_size(samples: Samples, target: Samples) -> Samples:
    """
    Do the first half of `fit`: the batch stays as it is.

    Raises:
        RuntimeError: Channels, frames or ranks differ.
    """
    if samples.shape[1:] == target.shape[1:]:
        return samples
    if samples.ndim != target.ndim or samples.ndim < 4 or samples.shape[1:-2] != target.shape[1:-2]:
        raise RuntimeError(f"samples1 and samples2 do not fit: {target.shape} and {samples.shape}")
    return scale(samples, target.shape[-1], target.shape[-2], "bilinear", crop=True)
