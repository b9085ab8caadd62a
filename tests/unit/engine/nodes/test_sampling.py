"""Nodes that name noise and samplers."""

import numpy as np
import pytest

from comfypipe.engine.nodes.sampling import NODES, SAMPLERS
from comfypipe.engine.pixels.noise import torch_randn
from comfypipe.engine.registry import Registry
from comfypipe.engine.sampling import Noise, Sampler

REGISTRY = Registry(NODES)


def test_values_say_what_was_asked_for() -> None:
    """A seed, no noise, a way of sampling."""
    assert (Noise(7),) == REGISTRY["RandomNoise"].function(noise_seed=7)
    assert (Noise(None),) == REGISTRY["DisableNoise"].function()
    assert (Sampler("euler"),) == REGISTRY["KSamplerSelect"].function(sampler_name="euler")
    assert "euler" == SAMPLERS[0]


def test_noise_is_pytorchs() -> None:
    """In the shape of the latent; none at all is zeros."""
    latent = {"samples": np.ones((2, 4, 3, 4), np.float32)}
    np.testing.assert_array_equal(torch_randn((2, 4, 3, 4), 5), Noise(5).of(latent))
    np.testing.assert_array_equal(np.zeros((2, 4, 3, 4), np.float32), Noise(None).of(latent))


def test_noise_goes_with_the_place_in_the_batch() -> None:
    """A latent taken out of a batch keeps the noise that it had in there; the same number has the same noise."""
    whole = Noise(5).of({"samples": np.zeros((3, 4, 2, 4), np.float32)})
    taken = Noise(5).of({"samples": np.zeros((3, 4, 2, 4), np.float32), "batch_index": [2, 0, 2]})
    np.testing.assert_array_equal(whole[[2, 0, 2]], taken)


def test_uneven_items_are_refused_by_index() -> None:
    """Where single draws would not follow each other, it says so instead of giving other numbers."""
    with pytest.raises(ValueError, match="items of 16 numbers"):
        Noise(5).of({"samples": np.zeros((1, 1, 3, 5), np.float32), "batch_index": [0]})
