"""Blend modes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.pixels.blend import MODES, blend
from comfypipe.engine.pixels.values import Floats

levels = st.floats(0, 1, width=32)


def single(value: float) -> Floats:
    """Return an image of one sample."""
    return np.full((1, 1, 1, 1), value, np.float32)


def expected_mode(mode: str, a: float, b: float) -> float:
    """Return what a mode makes of two samples."""
    lifted = ((16 * a - 12) * a + 4) * a if a <= 0.25 else a**0.5
    soft = a - (1 - 2 * b) * a * (1 - a) if b <= 0.5 else a + (2 * b - 1) * (lifted - a)
    return {
        "normal": b,
        "multiply": a * b,
        "screen": a + b - a * b,
        "overlay": 2 * a * b if a <= 0.5 else 1 - 2 * (1 - a) * (1 - b),
        "soft_light": soft,
        "difference": a - b,
    }[mode]


@pytest.mark.parametrize("mode", MODES)
@given(a=levels, b=levels, factor=st.floats(0, 1))
def test_modes_follow_their_formulas(mode: str, a: float, b: float, factor: float) -> None:
    """The formula's result is mixed in by the factor, and clamped."""
    expected = min(max(a * (1 - factor) + expected_mode(mode, a, b) * factor, 0), 1)
    assert blend(single(a), single(b), factor, mode).item() == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("mode", MODES)
def test_no_share_changes_nothing(mode: str) -> None:
    """With a factor of 0 the first image comes back."""
    a, b = np.random.default_rng(0).random((2, 2, 5, 6, 3), np.float32)
    np.testing.assert_array_equal(a, blend(a, b, 0.0, mode))


def test_one_image_is_blended_into_each_of_a_batch() -> None:
    """A batch of one meets every image of the other batch."""
    a, b = np.random.default_rng(0).random((2, 3, 5, 6, 3), np.float32)
    alone = np.concatenate([blend(each[None], b[:1], 0.5, "screen") for each in a])
    np.testing.assert_array_equal(alone, blend(a, b[:1], 0.5, "screen"))


def test_values_below_zero_do_not_warn() -> None:
    """Overshoots of an earlier node take no root of a negative number."""
    assert 0 == blend(single(-0.2), single(0.9), 1.0, "soft_light").item()


def test_unknown_modes_are_an_error() -> None:
    """As on a real server, where validation lets them pass."""
    with pytest.raises(ValueError, match="Unsupported blend mode: darken"):
        blend(single(0), single(0), 0.5, "darken")
