"""Nodes that change the size of images."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.nodes.scale import NODES, resize_and_pad
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import Registry

REGISTRY = Registry(NODES)


def image(height: int, width: int) -> Floats:
    """Return a random image."""
    return np.random.default_rng([height, width]).random((1, height, width, 3), np.float32)


def size(class_type: str, source: Floats, **inputs: Any) -> tuple[int, int]:
    """Run a node and return width and height of its result."""
    (result,) = REGISTRY[class_type].function(image=source, **inputs)  # type: ignore[misc]  # never a Result
    return result.shape[2], result.shape[1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [((50, 60), (50, 60)), ((0, 50), (75, 50)), ((50, 0), (50, 33)), ((0, 0), (30, 20)), ((1, 0), (1, 1))],
)
def test_a_side_of_zero_follows_the_proportions(wanted: tuple[int, int], expected: tuple[int, int]) -> None:
    """It has at least one pixel; two zeros leave an image as it is."""
    given_size = {"width": wanted[0], "height": wanted[1], "upscale_method": "area", "crop": "disabled"}
    assert expected == size("ImageScale", image(20, 30), **given_size)


def test_cropping_trims_to_the_new_proportions() -> None:
    """The middle is kept."""
    source = image(10, 30)
    inputs = {"width": 10, "height": 10, "upscale_method": "nearest-exact", "crop": "center"}
    (result,) = REGISTRY["ImageScale"].function(image=source, **inputs)  # type: ignore[misc]  # never a Result
    np.testing.assert_array_equal(source[:, :, 10:20], result)


@pytest.mark.parametrize(("factor", "expected"), [(1.5, (4, 8)), (0.5, (2, 2)), (0.33, (1, 2))])
def test_factors_round_to_even(factor: float, expected: tuple[int, int]) -> None:
    """Half a pixel goes to the even neighbour, as Python rounds."""
    assert expected == size("ImageScaleBy", image(5, 3), upscale_method="area", scale_by=factor)


def test_a_factor_that_leaves_nothing_is_an_error() -> None:
    """The message has both sizes."""
    with pytest.raises(RuntimeError, match=r"output \(H: 0, W: 0\)"):
        size("ImageScaleBy", image(5, 3), upscale_method="bilinear", scale_by=0.01)


@given(st.integers(1, 80), st.integers(1, 80), st.floats(0.01, 0.1))
def test_pixels_are_about_as_many_as_wanted(height: int, width: int, megapixels: float) -> None:
    """Width times height is near the wanted number unless one side is very short."""
    inputs = {"upscale_method": "nearest-exact", "megapixels": megapixels}
    new_width, new_height = size("ImageScaleToTotalPixels", image(height, width), **inputs)
    if min(new_width, new_height) > 20:
        assert new_width * new_height == pytest.approx(megapixels * 1024 * 1024, rel=0.06)


@pytest.mark.parametrize(("shape", "expected"), [((20, 30), (60, 40)), ((30, 20), (40, 60)), ((7, 7), (60, 60))])
def test_the_longer_side_becomes_the_largest(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    """The other follows."""
    assert expected == size("ImageScaleToMaxDimension", image(*shape), upscale_method="area", largest_size=60)


@pytest.mark.parametrize(("color", "level"), [("white", 1), ("black", 0)])
def test_padding_fills_what_is_left(color: str, level: int) -> None:
    """The image lies in the middle of the canvas, which has the wanted size."""
    inputs = {"target_width": 50, "target_height": 41, "padding_color": color, "interpolation": "nearest-exact"}
    (result,) = REGISTRY["ResizeAndPadImage"].function(image=image(20, 40) * 0.5, **inputs)  # type: ignore[misc]
    assert (1, 41, 50, 3) == result.shape
    assert {level} == set(result[:, [*range(8), *range(33, 41)]].ravel())
    assert result[:, 8:33].max() <= 0.5


@pytest.mark.parametrize(
    ("shape", "expected"), [((100, 100), (1024, 1024)), ((100, 1000), (1568, 672)), ((300, 200), (832, 1248))]
)
def test_kontext_takes_the_nearest_proportions(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    """Among the sizes that the model knows."""
    assert expected == size("FluxKontextImageScale", image(*shape))


def test_unknown_methods_are_named_when_they_run() -> None:
    """Validation lets them pass, as on a real server."""
    with pytest.raises(NotImplementedError, match="unknown upscale_method 'magic'"):
        size("ImageScaleToTotalPixels", image(4, 4), upscale_method="magic", megapixels=1.0)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        (RuntimeError, "nearest-exact"),
        (RuntimeError, "bilinear"),
        (RuntimeError, "bicubic"),
        (ValueError, "lanczos"),
    ],
)
def test_a_side_that_shrinks_to_nothing_is_refused(kind: type[Exception], method: str) -> None:
    """The error says from which size to which, and is ComfyUI's by its type."""
    with pytest.raises(kind, match=r"input \(H: 5, W: 9\) output \(H: 0, W: 0\)"):
        size("ImageScaleBy", image(5, 9), upscale_method=method, scale_by=0.01)


def test_area_shrinks_to_nothing() -> None:
    """Its result has no pixels; fitted into a canvas, only the padding is seen."""
    assert (0, 0) == size("ImageScaleBy", image(5, 9), upscale_method="area", scale_by=0.01)
    (padded,) = resize_and_pad(image(5, 90), 4, 3, "white", "area")
    np.testing.assert_array_equal(np.ones((1, 3, 4, 3)), padded)
