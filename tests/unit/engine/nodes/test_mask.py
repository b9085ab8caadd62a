"""Nodes that make and change masks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.nodes.mask import NODES
from comfypipe.engine.pixels.extremes import grow
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import Registry

REGISTRY = Registry(NODES)


def noise(height: int = 5, width: int = 6, batch: int = 1) -> Floats:
    """Return random masks."""
    return np.random.default_rng([height, width]).random((batch, height, width), np.float32)


def call(class_type: str, **inputs: Any) -> Floats:
    """Run a node and return its only output."""
    (result,) = REGISTRY[class_type].function(**inputs)  # type: ignore[misc]  # never a Result
    return np.asarray(result)


def test_solid_masks_have_one_value() -> None:
    """One mask of the wanted size."""
    np.testing.assert_array_equal(np.full((1, 3, 4), 0.3, np.float32), call("SolidMask", value=0.3, width=4, height=3))


def test_inverting_swaps_what_is_masked() -> None:
    """One less the value."""
    np.testing.assert_array_equal(1 - noise(), call("InvertMask", mask=noise()))


def test_crops_are_plain_cuts() -> None:
    """What lies outside is left out, which may be everything."""
    np.testing.assert_array_equal(noise()[:, 1:3, 2:], call("CropMask", mask=noise(), x=2, y=1, width=99, height=2))
    assert (1, 5, 0) == call("CropMask", mask=noise(), x=6, y=0, width=2, height=9).shape


def test_masks_become_grey_images() -> None:
    """Three equal channels; one mask without a batch is one image."""
    assert (1, 5, 6, 3) == call("MaskToImage", mask=noise()[0]).shape
    np.testing.assert_array_equal(noise(batch=2)[..., None].repeat(3, 3), call("MaskToImage", mask=noise(batch=2)))


def test_an_empty_mask_is_no_image() -> None:
    """The message has the shape."""
    with pytest.raises(RuntimeError, match=r"shape \[1, 5, 0\] is empty"):
        call("MaskToImage", mask=noise()[:, :, :0])


@pytest.mark.parametrize(("channel", "index"), [("red", 0), ("green", 1), ("blue", 2), ("alpha", 3)])
def test_channels_become_masks(channel: str, index: int) -> None:
    """As they are."""
    image = np.random.default_rng(0).random((2, 4, 5, 4), np.float32)
    np.testing.assert_array_equal(image[..., index], call("ImageToMask", image=image, channel=channel))


def test_images_without_alpha_have_no_alpha_mask() -> None:
    """The error says how many channels there are."""
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 3 with size 3"):
        call("ImageToMask", image=np.zeros((1, 2, 2, 3), np.float32), channel="alpha")


def test_one_color_is_masked_after_rounding() -> None:
    """Half levels round to even; alpha does not count."""
    image = np.array([[[[1, 0.2, 0, 0.3], [1, 50.5 / 255, 0, 0], [1, 51.5 / 255, 0, 0], [2, 0.2, -1, 0]]]], np.float32)
    assert [[[1, 0, 0, 1]]] == call("ImageColorToMask", image=image, color=0xFF3300).tolist()


def test_thresholds_are_strict() -> None:
    """Only what is greater is masked."""
    mask = np.array([[[0.5, 0.50001, 0.49999, 1]]], np.float32)
    assert [[[0, 1, 0, 1]]] == call("ThresholdMask", mask=mask, value=0.5).tolist()


@given(st.tuples(*[st.integers(0, 8)] * 4))
def test_feathers_multiply_line_by_line(sides: tuple[int, int, int, int]) -> None:
    """Left and top fade from the edge; right and bottom are one line off, and begin at the opposite edge."""
    left, top, right, bottom = sides
    expected = noise().astype(np.float64)
    for index in range(min(left, 6)):
        expected[:, :, index] *= (index + 1) / min(left, 6)
    for index in range(min(right, 6)):
        expected[:, :, -index] *= (index + 1) / min(right, 6)
    for index in range(min(top, 5)):
        expected[:, index] *= (index + 1) / min(top, 5)
    for index in range(min(bottom, 5)):
        expected[:, -index] *= (index + 1) / min(bottom, 5)
    found = call("FeatherMask", mask=noise(), left=left, top=top, right=right, bottom=bottom)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("tapered", [True, False])
def test_growing_passes_its_settings_on(tapered: bool) -> None:
    """Distance and corners."""
    expected = grow(noise(), -2, tapered=tapered)
    np.testing.assert_array_equal(expected, call("GrowMask", mask=noise(), expand=-2, tapered_corners=tapered))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [0.125, 0.375]),
        ("add", [0.75, 1]),
        ("subtract", [0, 0.25]),
        ("and", [0, 0]),
        ("or", [0, 1]),
        ("xor", [0, 1]),
    ],
)
def test_masks_are_combined(operation: str, expected: list[float]) -> None:
    """Numbers are clamped; logic takes what is above a half as set."""
    below = np.array([[[0.25, 0.75]]], np.float32)
    found = call("MaskComposite", destination=below, source=np.full_like(below, 0.5), x=0, y=0, operation=operation)
    np.testing.assert_allclose(found[0, 0], expected)


def test_only_what_is_covered_is_combined() -> None:
    """The source is cut at the edges; elsewhere the mask stays, clamped."""
    below = noise() * 2
    found = call(
        "MaskComposite", destination=below, source=np.zeros((1, 3, 3), np.float32), x=4, y=3, operation="multiply"
    )
    expected = np.clip(below, 0, 1)
    expected[:, 3:, 4:] = 0
    np.testing.assert_array_equal(expected, found)


def test_masks_of_unlike_batches_do_not_combine() -> None:
    """The error says what does not fit."""
    with pytest.raises(RuntimeError, match=r"tensor a \(2\) must match the size of tensor b \(3\)"):
        call("MaskComposite", destination=noise(batch=2), source=noise(batch=3), x=0, y=0, operation="add")
    with pytest.raises(RuntimeError, match="source has 3 masks, which do not go into one of destination"):
        call("MaskComposite", destination=noise(batch=1), source=noise(batch=3), x=0, y=0, operation="add")


@pytest.mark.parametrize("class_type", [node.class_type for node in NODES if "mask" in node.inputs])
def test_inputs_are_left_alone(class_type: str) -> None:
    """Other nodes may read the same mask."""
    mask = noise()
    mask.flags.writeable = False
    numbers = {"x": 1, "y": 1, "width": 2, "height": 2, "value": 0.5, "expand": 1, "tapered_corners": True}
    numbers |= {"left": 2, "top": 2, "right": 2, "bottom": 2}
    call(class_type, mask=mask, **{name: numbers[name] for name in REGISTRY[class_type].inputs if name != "mask"})
