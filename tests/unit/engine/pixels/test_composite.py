"""Pasting one image into another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.pixels.composite import composite, repeat_to
from comfypipe.engine.pixels.values import Floats


def noise(height: int, width: int, channels: int = 3, batch: int = 1) -> Floats:
    """Return random images."""
    return np.random.default_rng([height, width, batch]).random((batch, height, width, channels), np.float32)


@given(st.integers(0, 14), st.integers(0, 14), st.integers(1, 14), st.integers(1, 14), st.booleans())
def test_what_is_visible_is_pasted(left: int, top: int, height: int, width: int, masked: bool) -> None:
    """Each pixel under the source is a mix by the mask, every other one as before."""
    below, above, mask = noise(10, 12), noise(height, width), noise(height, width)[..., 0]
    found = composite(below, above, left, top, mask if masked else None)
    for y in range(10):
        for x in range(12):
            share, color = 0.0, np.zeros(3)
            if top <= y < top + height and left <= x < left + width:
                share, color = (mask[0, y - top, x - left] if masked else 1), above[0, y - top, x - left]
            expected = share * color + (1 - share) * below[0, y, x]
            np.testing.assert_allclose(found[0, y, x], expected, atol=1e-6)


def test_masks_are_stretched_to_the_source() -> None:
    """A mask of another size covers all of the source."""
    below, above = np.zeros((1, 8, 8, 3), np.float32), np.ones((1, 4, 6, 3), np.float32)
    found = composite(below, above, 1, 2, np.full((1, 30, 20), 0.25, np.float32))
    assert 24 * 3 * 0.25 == pytest.approx(found.sum())


def test_sources_go_round_a_longer_batch() -> None:
    """The source's batch is repeated, or cut, to that of the destination."""
    below, above = noise(4, 4, batch=3), noise(2, 2, batch=2)
    found = composite(below, above, 0, 0)
    np.testing.assert_array_equal(above[[0, 1, 0]], found[:, :2, :2])
    np.testing.assert_array_equal(composite(below[:1], above, 0, 0), found[:1])


def test_inputs_are_left_alone() -> None:
    """Other nodes may read the same destination."""
    below = noise(4, 4)
    below.flags.writeable = False
    composite(below, noise(2, 2), 1, 1)


@pytest.mark.parametrize(
    ("below", "above", "place", "message"),
    [
        ((10, 12, 3), (4, 5, 3), (-2, 0), r"tensor a \(5\) .* tensor b \(0\) .* dimension 3"),
        ((10, 12, 3), (4, 5, 3), (0, -2), r"tensor a \(4\) .* tensor b \(0\) .* dimension 2"),
        ((10, 12, 4), (4, 5, 3), (0, 0), r"tensor a \(3\) .* tensor b \(4\) .* dimension 1"),
    ],
)
def test_misfits_are_errors(
    below: tuple[int, int, int], above: tuple[int, int, int], place: tuple[int, int], message: str
) -> None:
    """A place left of the destination or above it, and unlike channels, say what does not fit."""
    with pytest.raises(RuntimeError, match=message):
        composite(noise(*below), noise(*above), *place)


def test_batches_are_cut_or_repeated() -> None:
    """A batch is gone through again until there are enough."""
    images = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1)
    assert [[0, 1], [0, 1, 2, 0, 1, 2, 0]] == [repeat_to(images, count).ravel().tolist() for count in (2, 7)]
