"""Edges."""

import numpy as np
import pytest

from comfypipe.engine.pixels.canny import canny
from comfypipe.engine.pixels.values import Floats


def boards(contrast: float = 1.0) -> Floats:
    """Return a square on a ground of another grey."""
    image = np.full((1, 40, 40, 3), 0.0, np.float32)
    image[:, 10:30, 10:30] = contrast
    return image


def test_a_square_has_one_closed_thin_outline() -> None:
    """Edges follow the outline, one pixel wide, and nothing else is one."""
    edges = canny(boards(), 0.4, 0.8)[0]
    assert {0.0, 1.0} == set(np.unique(edges))
    assert [1, 1] == [edges[20, 5:15].sum(), edges[5:15, 20].sum()]
    assert 0 == edges[14:26, 14:26].sum() + edges[:7].sum()


def test_flat_images_have_no_edges() -> None:
    """Neither has an image without contrast enough."""
    assert 0 == canny(boards(0.0), 0.01, 0.01).sum() + canny(boards(0.1), 0.4, 0.8).sum()


def test_weak_edges_count_where_they_touch_strong_ones() -> None:
    """A line that fades from strong to weak is kept whole; a weak one alone is not."""
    image = np.zeros((1, 20, 60, 3), np.float32)
    image[:, 10:] = np.linspace(0.15, 0.6, 60, dtype=np.float32)[:, None]
    weak_alone = image.copy()
    weak_alone[:, 10:, 25:] = weak_alone[:, :, :1][:, 10:]
    assert canny(image, 0.4, 1.5)[0, :, 5:55].any(axis=0).all()
    assert 0 == canny(weak_alone[:, :, :20], 0.4, 1.5).sum()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_diagonals_are_found_whichever_way_they_run(turns: int) -> None:
    """A turned image has about as many edge pixels."""
    triangle = np.tril(np.ones((40, 40), np.float32))[None, ..., None].repeat(3, axis=3)
    turned = np.rot90(triangle, turns, axes=(1, 2))
    assert canny(triangle, 0.4, 0.8).sum() == pytest.approx(canny(turned, 0.4, 0.8).sum(), abs=6)


def test_transparency_is_refused() -> None:
    """Edges are those of colours."""
    with pytest.raises(ValueError, match="image: 4 channels, expected 3"):
        canny(np.zeros((1, 9, 9, 4), np.float32), 0.1, 0.2)


def test_thresholds_come_in_order() -> None:
    """The lower one is not above the higher one."""
    with pytest.raises(ValueError, match=r"low_threshold: 0.5, must not be more than high_threshold, 0.4"):
        canny(boards(), 0.5, 0.4)


@pytest.mark.parametrize("shape", [(1, 2, 9, 3), (1, 9, 1, 3)])
def test_what_is_too_small_to_be_smoothed_is_refused(shape: tuple[int, ...]) -> None:
    """Two pixels a side have no reflection two pixels deep."""
    with pytest.raises(RuntimeError, match="both sides must have more than 2"):
        canny(np.zeros(shape, np.float32), 0.1, 0.2)
