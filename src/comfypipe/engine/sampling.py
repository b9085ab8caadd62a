"""What samplers are told, where it needs no model: noise, the sampler's name, how strong hooks are at which point."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comfypipe.engine.latents.value import Latent, Samples, samples_of
from comfypipe.engine.pixels.noise import torch_randn


@dataclass(frozen=True, slots=True)
class Noise:
    """
    Where a sampler's noise comes from (NOISE).

    Attributes:
        seed: What it is drawn from; None for no noise at all.
    """

    seed: int | None

    def of(self, latent: Latent) -> Samples:
        """
        Return noise in the shape of a latent.

        Items that carry the same number in ``batch_index`` get the same noise, the one that they would get in a batch.

        Raises:
            ValueError: There are no samples.
        """
        shape = samples_of(latent, "latent").shape
        if self.seed is None:
            return np.zeros(shape, np.float32)
        indices = latent.get("batch_index")
        if indices is None:
            return torch_randn(shape, self.seed)
        drawn = _drawn_one_by_one(shape[1:], self.seed, max(map(int, indices)) + 1)
        return drawn[[int(each) for each in indices]]


def _drawn_one_by_one(shape: tuple[int, ...], seed: int, count: int) -> Samples:
    # Whole groups of sixteen numbers follow each other as if they were drawn at once; shorter ones do not.
    if int(np.prod(shape)) % 16:
        raise ValueError(f"latent: noise by batch_index needs items of 16 numbers or a multiple, not {list(shape)}")
    return torch_randn((count, *shape), seed)


@dataclass(frozen=True, slots=True)
class Sampler:
    """Which way of sampling is meant (SAMPLER)."""

    name: str


@dataclass(frozen=True, slots=True)
class Keyframe:
    """
    How strong a hook is from some point of sampling on.

    Attributes:
        start_percent: 0 is the first step, 1 the last.
        guarantee_steps: For how many steps it holds at least.
    """

    strength: float
    start_percent: float
    guarantee_steps: int = 1


@dataclass(frozen=True, slots=True)
class Keyframes:
    """Keyframes in order of their start (HOOK_KEYFRAMES); those that start together as they were added."""

    items: tuple[Keyframe, ...] = ()

    def with_added(self, added: Sequence[Keyframe]) -> "Keyframes":
        """Return these and *added* ones."""
        return Keyframes(tuple(sorted((*self.items, *added), key=lambda each: each.start_percent)))
