"""One image beside another."""

from typing import Any

import numpy as np
import pytest

from comfypipe.engine.nodes.stitch import NODES
from comfypipe.engine.pixels.values import Floats

DEFAULTS: dict[str, Any] = {
    "direction": "right",
    "match_image_size": False,
    "spacing_width": 0,
    "spacing_color": "white",
}


def plain(height: int, width: int, level: float, channels: int = 3, batch: int = 1) -> Floats:
    """Return images of one level."""
    return np.full((batch, height, width, channels), level, np.float32)


def stitch(image1: Floats, image2: Floats | None, **inputs: Any) -> Floats:
    """Run the node."""
    (result,) = NODES[0].function(image1=image1, image2=image2, **{**DEFAULTS, **inputs})  # type: ignore[misc]
    return np.asarray(result)


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("right", [[0.25, 0.25, 0.75]]),
        ("left", [[0.75, 0.25, 0.25]]),
        ("down", [[0.25, 0.25], [0.75, 0.75]]),
        ("up", [[0.75, 0.75], [0.25, 0.25]]),
    ],
)
def test_the_second_image_goes_to_the_named_side(direction: str, expected: list[list[float]]) -> None:
    """All four sides."""
    second = plain(1, 1, 0.75) if direction in ("right", "left") else plain(1, 2, 0.75)
    assert expected == stitch(plain(1, 2, 0.25), second, direction=direction)[0, :, :, 0].tolist()


def test_without_a_second_image_the_first_comes_back() -> None:
    """As it is."""
    image = plain(2, 3, 0.5)
    assert image is stitch(image, None, spacing_width=8)


@pytest.mark.parametrize(("direction", "expected"), [("right", (20, 30 + 5)), ("down", (20 + 120, 30))])
def test_matching_scales_the_second_to_the_shared_side(direction: str, expected: tuple[int, int]) -> None:
    """Its proportions stay."""
    result = stitch(plain(20, 30, 0.2), plain(40, 10, 0.4), direction=direction, match_image_size=True)
    assert expected == result.shape[1:3]


@pytest.mark.parametrize(("color", "padding"), [("white", 1), ("black", 0), ("red", 0)])
def test_else_the_smaller_is_padded_in_its_middle(color: str, padding: float) -> None:
    """White if the gap is white, else black; the odd pixel goes below."""
    result = stitch(plain(1, 1, 0.5), plain(4, 1, 0.25), spacing_color=color)
    assert [padding, 0.5, padding, padding] == result[0, :, 0, 0].tolist()


@pytest.mark.parametrize(("width", "expected"), [(1, 2), (4, 4), (5, 6)])
def test_the_gap_is_as_wide_as_the_next_even_number(width: int, expected: int) -> None:
    """And has the wanted colour."""
    result = stitch(plain(1, 1, 0.5), plain(1, 1, 0.5), spacing_width=width, spacing_color="green")
    assert [[0, 1, 0]] * expected == result[0, 0, 1:-1].tolist()


def test_shorter_batches_and_fewer_channels_are_filled_up() -> None:
    """The last image is repeated, missing alpha is opaque, also that of the gap."""
    first = np.concatenate([plain(1, 1, 0.1), plain(1, 1, 0.2)])
    result = stitch(first, plain(1, 1, 0.5, channels=4, batch=3), spacing_width=2, spacing_color="blue")
    assert (3, 1, 4, 4) == result.shape
    np.testing.assert_array_equal(np.array([0.1, 0.2, 0.2], np.float32), result[:, 0, 0, 0])
    assert [1, 1, 1, 0.5] == result[0, 0, :, 3].tolist()
