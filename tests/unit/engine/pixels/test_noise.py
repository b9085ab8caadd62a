"""Normal random numbers as PyTorch draws them. The expected ones stand in many tutorials."""

import numpy as np
import pytest

from comfypipe.engine.pixels.noise import torch_randn

FOUR_BY_FOUR = [
    [-1.1258, -1.1524, -0.2506, -0.4339],
    [0.8487, 0.6920, -0.3160, -2.1152],
    [0.3223, -1.2633, 0.3500, 0.3081],
    [0.1198, 1.2377, 1.1168, -0.2473],
]


@pytest.mark.parametrize(
    ("count", "seed", "expected"),
    [(5, 0, [1.5410, -0.2934, -2.1788, 0.5684, -1.0845]), (3, 42, [0.3367, 0.1288, 0.2345])],
)
def test_few_numbers_are_made_one_by_one(count: int, seed: int, expected: list[float]) -> None:
    """Below sixteen numbers come from doubles."""
    np.testing.assert_allclose(torch_randn((count,), seed), expected, atol=5e-5)


def test_groups_of_sixteen() -> None:
    """From sixteen on numbers come from 24-bit uniforms."""
    np.testing.assert_allclose(torch_randn((4, 4), 0), FOUR_BY_FOUR, atol=5e-5)


def test_a_rest_is_drawn_over_the_end() -> None:
    """A last group that is not full takes the place of the last sixteen numbers; the others stay."""
    whole, rest = torch_randn((48,), 7), torch_randn((37,), 7)
    np.testing.assert_array_equal(whole[:21], rest[:21])
    assert not np.isclose(whole[21:32], rest[21:32]).any()


def test_only_the_low_32_bits_of_a_seed_count() -> None:
    """As PyTorch's generator takes them."""
    np.testing.assert_array_equal(torch_randn((64,), 5), torch_randn((64,), 5 + 7 * 2**32))


def test_numbers_are_normal() -> None:
    """A million of them have mean 0 and variance 1."""
    drawn = torch_randn((1000, 1000), 3)
    assert (drawn.mean(), drawn.std()) == (pytest.approx(0, abs=0.004), pytest.approx(1, abs=0.004))
