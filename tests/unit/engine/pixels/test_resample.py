"""Resampling, against definitions written out sample by sample."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from comfypipe.engine.pixels import resample
from comfypipe.engine.pixels.resample import RESAMPLERS, area, bicubic, bilinear, nearest_exact, resize, resize_cropped
from comfypipe.engine.pixels.values import Floats, from_bytes, to_bytes

sides = st.integers(1, 40)


def noise(height: int, width: int, channels: int = 3, batch: int = 1) -> Floats:
    """Return images of random levels."""
    rng = np.random.default_rng([height, width, channels, batch])
    return from_bytes(rng.integers(0, 256, (batch, height, width, channels), np.uint8))


def by_taps(image: Floats, width: int, height: int, taps: Callable[[int, int, int], list[tuple[int, float]]]) -> Floats:
    """Resample by a rule that gives, for a size, a new size and a place in it, old places and their weights."""
    across = _matrix(image.shape[2], width, taps)
    down = _matrix(image.shape[1], height, taps)
    return np.asarray(np.einsum("yh,bhwc,xw->byxc", down, image.astype(np.float64), across, optimize=True), np.float32)


def _matrix(size: int, new_size: int, taps: Callable[[int, int, int], list[tuple[int, float]]]) -> Floats:
    matrix = np.zeros((new_size, size))
    for place in range(new_size):
        for old, weight in taps(size, new_size, place):
            matrix[place, min(max(old, 0), size - 1)] += weight
    return matrix  # type: ignore[return-value]  # float64, to be the better of the two


def linear_taps(size: int, new_size: int, place: int) -> list[tuple[int, float]]:
    """Weigh the two nearest centres."""
    centre = max((place + 0.5) * size / new_size - 0.5, 0)
    first = math.floor(centre)
    return [(first, 1 - (centre - first)), (first + 1, centre - first)]


def cubic_taps(size: int, new_size: int, place: int) -> list[tuple[int, float]]:
    """Weigh four centres by Keys' cubic with A = -0.75."""
    centre = (place + 0.5) * size / new_size - 0.5
    first = math.floor(centre)
    return [(old, _cubic(abs(centre - old))) for old in range(first - 1, first + 3)]


def _cubic(x: float) -> float:
    if x <= 1:
        return 1.25 * x**3 - 2.25 * x**2 + 1
    return -0.75 * x**3 + 3.75 * x**2 - 6 * x + 3 if x < 2 else 0


def window_taps(size: int, new_size: int, place: int) -> list[tuple[int, float]]:
    """Weigh all samples that the new one touches alike."""
    window = range(place * size // new_size, -(-(place + 1) * size // new_size))
    return [(old, 1 / len(window)) for old in window]


DEFINITIONS = {"bilinear": linear_taps, "bicubic": cubic_taps, "area": window_taps}


@pytest.mark.parametrize("method", DEFINITIONS)
@given(height=sides, width=sides, new_height=sides, new_width=sides, channels=st.sampled_from([1, 3, 4]))
@settings(max_examples=40)
def test_results_follow_the_definition(
    method: str, height: int, width: int, new_height: int, new_width: int, channels: int
) -> None:
    """Up, down and both at once, each result is the weighted mean that the method stands for."""
    image = noise(height, width, channels)
    expected = by_taps(image, new_width, new_height, DEFINITIONS[method])
    np.testing.assert_allclose(resize(image, new_width, new_height, method), expected, atol=2e-5)


@pytest.mark.parametrize("method", DEFINITIONS)
@pytest.mark.parametrize("size", [(200, 150), (70, 300), (33, 47)])
def test_larger_results_follow_the_definition(method: str, size: tuple[int, int]) -> None:
    """So they do where rows and columns are worked on one after the other."""
    image = noise(90, 110)
    expected = by_taps(image, *size, DEFINITIONS[method])
    np.testing.assert_allclose(resize(image, *size, method), expected, atol=2e-5)


@given(height=sides, width=sides, new_height=sides, new_width=sides)
@settings(max_examples=40)
def test_nearest_takes_the_cell_that_holds_the_centre(height: int, width: int, new_height: int, new_width: int) -> None:
    """No value is made up: each comes from where its centre falls."""
    image = noise(height, width)
    rows = [
        min(int(np.float32(i + 0.5) * (np.float32(height) / np.float32(new_height))), height - 1)
        for i in range(new_height)
    ]
    columns = [
        min(int(np.float32(i + 0.5) * (np.float32(width) / np.float32(new_width))), width - 1) for i in range(new_width)
    ]
    np.testing.assert_array_equal(image[:, rows][:, :, columns], nearest_exact(image, new_width, new_height))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lanczos_is_pillows(channels: int) -> None:
    """8-bit copies go through Pillow's filter, one by one."""
    images = noise(50, 40, channels, batch=2)
    for image, found in zip(images, resize(images, 23, 31, "lanczos"), strict=True):
        expected = Image.fromarray(to_bytes(image).squeeze()).resize((23, 31), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(np.asarray(expected).reshape(found.shape), to_bytes(found))


@pytest.mark.parametrize("method", RESAMPLERS)
@pytest.mark.parametrize("shape", [(20, 30), (90, 100)])
def test_the_same_size_changes_nothing(method: str, shape: tuple[int, int]) -> None:
    """Every method leaves an image of the wanted size as it is."""
    image = noise(*shape)
    np.testing.assert_array_equal(image, resize(image, shape[1], shape[0], method))


@pytest.mark.parametrize("method", RESAMPLERS)
def test_images_of_a_batch_do_not_touch_each_other(method: str) -> None:
    """A batch gives what its images give alone."""
    images = noise(30, 20, batch=3)
    alone = np.concatenate([resize(each[None], 70, 61, method) for each in images])
    np.testing.assert_array_equal(alone, resize(images, 70, 61, method))


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_large_images_differ_by_less_than_a_level(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick way for large images gives the same to five digits."""
    image = noise(150, 170)
    exact = resize(image, 230, 90, method)
    monkeypatch.setattr(resample, "_EXACT_SAMPLES", 0)
    np.testing.assert_allclose(resize(image, 230, 90, method), exact, atol=1e-5)


def test_bicubic_overshoots() -> None:
    """A step swings below 0 and above 1: nothing is clamped before it is saved."""
    step = np.array([0, 0, 0, 1, 1, 1], np.float32).reshape(1, 1, 6, 1)
    found = bicubic(step, 24, 1)
    assert found.min() < -0.05
    assert found.max() > 1.05


def test_small_and_large_results_take_different_ways() -> None:
    """Up to a width and height of 128 together corners are weighed at once, which shows in the last bit only."""
    image = noise(61, 97)
    small, large = bilinear(image, 64, 64), bilinear(image, 65, 64)
    assert np.abs(small - by_taps(image, 64, 64, linear_taps)).max() < 2e-5
    assert np.abs(large - by_taps(image, 65, 64, linear_taps)).max() < 2e-5


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((10, 30), (10, 10), (slice(None), slice(10, 20))),
        ((30, 10), (20, 20), (slice(10, 20), slice(None))),
        ((10, 31), (10, 10), (slice(None), slice(10, 21))),
        ((20, 20), (5, 5), (slice(None), slice(None))),
    ],
)
def test_the_middle_is_kept(shape: tuple[int, int], size: tuple[int, int], expected: tuple[slice, slice]) -> None:
    """As much is cut on either side until the proportions are right, or one pixel off."""
    image = noise(*shape)
    cut = image[:, expected[0], expected[1]]
    np.testing.assert_array_equal(area(cut, *size), resize_cropped(image, *size, "area"))


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_no_pixels_are_an_error(size: tuple[int, int]) -> None:
    """Neither input nor output may be empty; the message has both sizes."""
    message = rf"got input \(H: 3, W: 4\) output \(H: {size[1]}, W: {size[0]}\)"
    with pytest.raises(RuntimeError, match=message):
        resize(noise(3, 4), *size, "bilinear")


def test_unknown_methods_are_named() -> None:
    """The message lists what there is."""
    with pytest.raises(NotImplementedError, match="'magic': expected one of nearest-exact, bilinear"):
        resize(noise(3, 4), 5, 5, "magic")


def test_results_beyond_memory_are_refused() -> None:
    """A width that slipped is an error before anything is computed."""
    with pytest.raises(ValueError, match=r"width, height.*GiB"):
        resize(noise(3, 4), 1_000_000, 16384, "bilinear")
