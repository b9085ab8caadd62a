"""LATENT_OPERATION values: functions on latents that one node makes and another applies."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from comfypipe.engine.latents.value import Samples
from comfypipe.engine.pixels.convolve import convolve, sharpening_kernel


class LatentOperation(Protocol):
    """A value of type LATENT_OPERATION."""

    def __call__(self, samples: Samples) -> Samples:
        """Return new samples of the same shape, (batch, channel, height, width) or (…, frame, height, width)."""


@dataclass(frozen=True, slots=True)
class TonemapReinhard:
    """
    Compress large magnitudes, keeping directions.

    Attributes:
        multiplier: Where the compression sets in: times the mean magnitude plus five standard deviations.
    """

    multiplier: float

    def __call__(self, samples: Samples) -> Samples:
        """Return the compressed samples."""
        magnitude = _magnitude(samples) + np.float32(1e-10)
        mean = magnitude.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64)
        deviation = magnitude.std(axis=(1, 2, 3), keepdims=True, ddof=1, dtype=np.float64)
        top = ((deviation * 5 + mean) * self.multiplier).astype(np.float32)
        relative = magnitude * (np.float32(1) / top)
        return np.asarray(samples / magnitude * (relative / (relative + np.float32(1)) * top))


@dataclass(frozen=True, slots=True)
class Sharpen:
    """
    Sharpen directions, keeping magnitudes.

    Attributes:
        radius: Of the Gaussian, in cells.
        sigma: Its width, in radii.
        alpha: Strength; ten times as much of the difference to the blurred samples is added.
    """

    radius: int
    sigma: float
    alpha: float

    def __call__(self, samples: Samples) -> Samples:
        """
        Return the sharpened samples.

        Raises:
            NotImplementedError: They are those of a video.
            RuntimeError: The radius is not less than both sides.
        """
        if samples.ndim != 4:
            raise NotImplementedError(f"samples: {samples.shape} is a video; only images can be sharpened")
        if self.radius >= min(samples.shape[-2:]):
            height, width = samples.shape[-2:]
            raise RuntimeError(
                f"sharpen_radius: {self.radius}, must be less than both sides of samples {width}x{height}"
            )
        magnitude = _magnitude(samples) + np.float32(1e-6)
        images = (samples / magnitude).reshape(-1, *samples.shape[-2:], 1)
        kernel = sharpening_kernel(self.radius, self.sigma, self.alpha * 10)
        return np.asarray(magnitude * convolve(images, kernel).reshape(samples.shape))


def _magnitude(samples: Samples) -> Samples:
    return np.asarray(np.sqrt(np.square(samples).sum(axis=1, keepdims=True)))
