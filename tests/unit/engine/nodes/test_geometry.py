"""Nodes that cut, turn and pad."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.nodes.geometry import NODES
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import Registry

REGISTRY = Registry(NODES)


def letters() -> Floats:
    """Return an image of 2 by 3 pixels, numbered in reading order."""
    return np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)


def rows(class_type: str, **inputs: Any) -> list[list[float]]:
    """Run a node on it and return the rows."""
    (result,) = REGISTRY[class_type].function(image=letters(), **inputs)  # type: ignore[misc]  # never a Result
    found: list[list[float]] = result[0, :, :, 0].tolist()
    return found


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ("none", [[0, 1, 2], [3, 4, 5]]),
        ("90 degrees", [[3, 0], [4, 1], [5, 2]]),
        ("180 degrees", [[5, 4, 3], [2, 1, 0]]),
        ("270 degrees", [[2, 5], [1, 4], [0, 3]]),
    ],
)
def test_rotations_are_clockwise(rotation: str, expected: list[list[float]]) -> None:
    """A quarter turn brings the first column up."""
    assert expected == rows("ImageRotate", rotation=rotation)


@pytest.mark.parametrize(
    ("method", "expected"),
    [("x-axis: vertically", [[3, 4, 5], [0, 1, 2]]), ("y-axis: horizontally", [[2, 1, 0], [5, 4, 3]])],
)
def test_flips_mirror_at_an_axis(method: str, expected: list[list[float]]) -> None:
    """At the x-axis rows change places, at the y-axis columns."""
    assert expected == rows("ImageFlip", flip_method=method)


@pytest.mark.parametrize(
    ("box", "expected"),
    [((2, 1, 1, 1), [[4, 5]]), ((9, 9, 1, 0), [[1, 2], [4, 5]]), ((5, 5, 99, 99), [[5]]), ((1, 1, 0, 0), [[0]])],
)
def test_crops_stay_inside(box: tuple[int, int, int, int], expected: list[list[float]]) -> None:
    """They may be smaller than asked for, and begin in the last row and column at the latest."""
    width, height, x, y = box
    assert expected == rows("ImageCrop", width=width, height=height, x=x, y=y)


@given(st.tuples(*[st.integers(0, 6)] * 4), st.integers(0, 9), st.integers(1, 12), st.integers(1, 12))
def test_padding_fades_from_padded_edges_only(
    padding: tuple[int, int, int, int], feathering: int, height: int, width: int
) -> None:
    """Outside the mask is 1; inside it is the square of how far the next padded edge lies within the feather."""
    left, top, right, bottom = padding
    inputs = {"left": left, "top": top, "right": right, "bottom": bottom, "feathering": feathering}
    image = np.random.default_rng(0).random((2, height, width, 3), np.float32)
    canvas, mask = REGISTRY["ImagePadForOutpaint"].function(image=image, **inputs)  # type: ignore[misc]
    assert ((2, height + top + bottom, width + left + right, 3), (1, *canvas.shape[1:3])) == (canvas.shape, mask.shape)
    inside = (slice(None), slice(top, top + height), slice(left, left + width))
    np.testing.assert_array_equal(image, canvas[inside])
    expected = np.ones(mask.shape)
    for y in range(height):
        for x in range(width):
            edges = [(left, x), (top, y), (right, width - x), (bottom, height - y)]
            near = min([distance for padded, distance in edges if padded], default=feathering)
            fades = 0 < feathering * 2 < min(height, width)
            expected[0, top + y, left + x] = (max(feathering - near, 0) / feathering) ** 2 if fades else 0
    np.testing.assert_allclose(mask, expected, atol=1e-7)
    canvas[inside] = 0.5
    assert (canvas == 0.5).all()
