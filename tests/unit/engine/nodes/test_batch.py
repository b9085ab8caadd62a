"""Nodes that make, join and split batches."""

from typing import Any

import numpy as np
import pytest

from comfypipe.engine.nodes.batch import NODES
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import Registry

REGISTRY = Registry(NODES)


def numbered(*levels: float, shape: tuple[int, int, int] = (2, 3, 3)) -> Floats:
    """Return an image of one level for each of *levels*."""
    return np.stack([np.full(shape, level, np.float32) for level in levels])


def call(class_type: str, **inputs: Any) -> Any:
    """Run a node and return its only output."""
    (result,) = REGISTRY[class_type].function(**inputs)  # type: ignore[misc]  # never a Result
    return result


def levels(images: Floats) -> list[float]:
    """Return the first sample of each image."""
    return [float(each.flat[0]) for each in images]


def test_empty_images_have_the_color() -> None:
    """Given as one number, red first."""
    found = call("EmptyImage", width=3, height=2, batch_size=4, color=0x33FF00)
    np.testing.assert_array_equal(np.broadcast_to(np.array([0.2, 1, 0], np.float32), (4, 2, 3, 3)), found)


@pytest.mark.parametrize(
    ("class_type", "inputs"),
    [
        ("EmptyImage", {"width": 16384, "height": 16384, "batch_size": 4096, "color": 0}),
        ("RepeatImageBatch", {"image": np.zeros((1, 2048, 2048, 3), np.float32), "amount": 4096}),
    ],
)
def test_what_no_machine_could_hold_is_refused(class_type: str, inputs: dict[str, Any]) -> None:
    """Before a byte is taken."""
    with pytest.raises(ValueError, match="GiB"):
        call(class_type, **inputs)


def test_batches_are_joined() -> None:
    """The second is scaled to the first where they differ."""
    first, second = numbered(0.25, 0.5), numbered(0.75, shape=(5, 4, 3))
    assert [0.25, 0.5, 0.75] == levels(call("ImageBatch", image1=first, image2=second))


def test_batches_of_unlike_channels_are_an_error() -> None:
    """As in ComfyUI."""
    with pytest.raises(RuntimeError, match="Expected size 3 but got size 4"):
        call("ImageBatch", image1=numbered(0), image2=numbered(0, shape=(2, 3, 4)))


def test_batches_are_repeated_as_a_whole() -> None:
    """First, second, first, second."""
    assert [0.25, 0.5] * 3 == levels(call("RepeatImageBatch", image=numbered(0.25, 0.5), amount=3))


@pytest.mark.parametrize(
    ("start", "length", "expected"), [(0, 1, [0]), (1, 2, [1, 2]), (2, 9, [2, 3]), (9, 2, [3]), (3, 1, [3])]
)
def test_images_are_taken_from_a_batch(start: int, length: int, expected: list[float]) -> None:
    """As many as there are; the last where the start lies beyond."""
    assert expected == levels(call("ImageFromBatch", image=numbered(0, 1, 2, 3), batch_index=start, length=length))


def test_batches_are_grouped_anew() -> None:
    """Over the borders of the old batches; the last may be shorter."""
    found = call("RebatchImages", images=[numbered(0, 1, 2), numbered(3, 4)], batch_size=[2])
    assert [[0, 1], [2, 3], [4]] == [levels(each) for each in found]


def test_sizes_are_told() -> None:
    """Width, height and number."""
    assert (3, 2, 4) == REGISTRY["GetImageSize"].function(image=numbered(0, 1, 2, 3))


def test_images_of_unlike_sizes_make_no_batch() -> None:
    """One by one they pass."""
    unlike = [numbered(0), numbered(1, shape=(4, 4, 3))]
    assert [[0], [1]] == [levels(each) for each in call("RebatchImages", images=unlike, batch_size=[1])]
    with pytest.raises(ValueError, match=r"unlike sizes .*\(2, 3, 3\), \(4, 4, 3\)"):
        call("RebatchImages", images=unlike, batch_size=[2])
