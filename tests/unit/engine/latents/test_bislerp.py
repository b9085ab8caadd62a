"""Bislerp turns vectors and changes their length evenly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.latents.bislerp import bislerp


def test_half_way_between_right_angles() -> None:
    """Half way between two unit vectors at a right angle lies the unit vector at 45 degrees."""
    samples = np.array([[[[1.0, 0.0]], [[0.0, 1.0]]]], np.float32)  # two channels, two columns
    result = bislerp(samples, 4, 1)
    np.testing.assert_allclose(np.sqrt(np.square(result).sum(axis=1)), np.ones((1, 1, 4)), rtol=1e-6)
    np.testing.assert_allclose(np.degrees(np.arctan2(result[0, 1], result[0, 0])), [[0, 22.5, 67.5, 90]], atol=1e-4)


@pytest.mark.parametrize(("width", "height"), [(7, 5), (3, 2), (1, 1)])
def test_constant_stays_constant(width: int, height: int) -> None:
    """Equal vectors give the same vectors at any size."""
    samples = np.broadcast_to(np.array([3, -4], np.float32)[None, :, None, None], (1, 2, 4, 6))
    np.testing.assert_allclose(
        bislerp(samples, width, height), np.broadcast_to(samples[..., :1, :1], (1, 2, height, width))
    )


def test_something_must_be_left() -> None:
    """A side of zero cells is refused."""
    with pytest.raises(RuntimeError, match="cannot be scaled to 0x3 cells"):
        bislerp(np.ones((1, 4, 1, 1), np.float32), 0, 3)


def test_opposite_and_zero_vectors_are_finite() -> None:
    """Vectors that point away from each other are mixed, and zeros have no direction: no result is NaN."""
    samples = np.array([[[[1.0, -1.0, 0.0, 2.0]], [[0.0, 0.0, 0.0, 0.0]]]], np.float32)
    assert np.isfinite(bislerp(samples, 9, 3)).all()


@given(width=st.integers(1, 9), height=st.integers(1, 9))
def test_same_size_is_the_same(width: int, height: int) -> None:
    """At its own size a latent stays as it is."""
    samples = np.random.default_rng(width * 10 + height).standard_normal((2, 4, height, width)).astype(np.float32)
    np.testing.assert_allclose(bislerp(samples, width, height), samples, atol=1e-6)
