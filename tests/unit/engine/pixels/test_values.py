"""Conversion between 8 bits and floats, and work in blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.pixels.values import Floats, blockwise, from_bytes, mask_batch, row_blocks, to_bytes

ALL = np.arange(256, dtype=np.uint8)


def test_every_level_comes_back() -> None:
    """All 256 levels survive the way to floats and back."""
    np.testing.assert_array_equal(ALL, to_bytes(from_bytes(ALL)))


def test_levels_are_cut_not_rounded() -> None:
    """What lies between two levels becomes the lower one; most inverted levels lose one, as ComfyUI's do."""
    assert [0, 0, 254] == to_bytes(np.array([0.0, 0.0039, 0.9999], np.float32)).tolist()
    assert np.count_nonzero(to_bytes(1 - from_bytes(ALL)) != 255 - ALL) == 159


def test_values_out_of_range_are_clamped() -> None:
    """Infinities and values beyond 0..1 are clamped; what is no number is 0."""
    wild = np.array([-np.inf, -3, 7, np.inf, np.nan], np.float32)
    assert [0, 0, 255, 255, 0] == to_bytes(wild).tolist()


@given(st.integers(1, 3), st.integers(1, 400), st.integers(1, 60), st.integers(0, 1))
def test_blocks_give_what_the_whole_gives(batch: int, height: int, width: int, turned: int) -> None:
    """Working in blocks changes nothing, whatever the shape and layout."""
    a = np.random.default_rng(height).random((batch, height, width, 3), np.float32)
    if turned:
        a = a.swapaxes(1, 2)
    b = a[:1, ::-1] / np.float32(2)

    def mix(one: Floats, other: Floats) -> Floats:
        return one * other + one

    np.testing.assert_array_equal(mix(a, b), blockwise(mix, a, b))
    np.testing.assert_array_equal(np.clip(255 * a, 0, 255).astype(np.uint8), to_bytes(a))


def test_row_blocks_cover_every_row_once() -> None:
    """Blocks follow each other without gap, one row at least."""
    assert [slice(0, 2), slice(2, 4), slice(4, 5)] == list(row_blocks((5, 10), 25))
    assert [slice(0, 1), slice(1, 2)] == list(row_blocks((2, 10), 5))


def test_masks_are_seen_as_a_batch() -> None:
    """One mask becomes a batch of one, and what stands before height and width is counted through."""
    assert [(1, 4, 5), (6, 4, 5)] == [mask_batch(np.zeros(shape, np.float32)).shape for shape in ((4, 5), (2, 3, 4, 5))]
    with pytest.raises(RuntimeError, match=r"shape \[1, 0, 5\] is empty"):
        mask_batch(np.zeros((1, 0, 5), np.float32))
