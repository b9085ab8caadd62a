"""Nodes that cut, turn and pad images. Source: ComfyUI ``nodes.py``, ``nodes_images`` (0.3.64)."""

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.arrays import check_size
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import NodeClass, combo, integer, outputs, required

_ROTATIONS = ("none", "90 degrees", "180 degrees", "270 degrees")


def crop(image: Floats, width: int, height: int, x: int, y: int) -> tuple[Floats]:
    """Cut out a rectangle, as much of it as lies inside; it begins inside in any case."""
    x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return (np.ascontiguousarray(image[:, y : y + height, x : x + width]),)


def rotate(image: Floats, rotation: str) -> tuple[Floats]:
    """Turn images clockwise."""
    return (np.ascontiguousarray(np.rot90(image, _ROTATIONS.index(rotation), axes=(2, 1))),)


def flip(image: Floats, flip_method: str) -> tuple[Floats]:
    """Mirror images at the horizontal (``x-axis…``) or the vertical (``y-axis…``)."""
    return (np.ascontiguousarray(np.flip(image, 1 if flip_method.startswith("x") else 2)),)


def pad_for_outpaint(
    image: Floats, left: int, top: int, right: int, bottom: int, feathering: int
) -> tuple[Floats, Floats]:
    """
    Put images on a larger grey canvas.

    Returns:
        The canvases, and one mask that is 1 where something is to be painted and fades out *feathering* pixels into the
        image, unless that is half of a side or more.
    """
    batch, height, width, channels = image.shape
    shape = (batch, height + top + bottom, width + left + right, channels)
    check_size(shape, "left, top, right, bottom")
    canvas = np.full(shape, 0.5, np.float32)
    canvas[:, top : top + height, left : left + width] = image
    mask = np.ones((1, *shape[1:3]), np.float32)
    mask[0, top : top + height, left : left + width] = _fading(height, width, (left, top, right, bottom), feathering)
    return canvas, mask


def _fading(height: int, width: int, padding: tuple[int, int, int, int], feathering: int) -> Floats:
    if not 0 < 2 * feathering < min(height, width):
        return np.zeros((height, width), np.float32)
    left, top, right, bottom = padding
    rows = _distance(height, top, bottom)
    columns = _distance(width, left, right)
    share = np.maximum(feathering - np.minimum(rows[:, None], columns), 0) / feathering
    return np.asarray(share * share, np.float32)


def _distance(size: int, before: int, after: int) -> NDArray[np.intp]:
    """Return for each line how far it is from the next padded edge; edges that are not padded count as far away."""
    index = np.arange(size)
    far = np.full(size, size)
    return np.minimum(index if before else far, size - index if after else far)


_MODULE = "comfy_extras.nodes_images"

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "ImageCrop",
        crop,
        {
            "image": required("IMAGE"),
            "width": integer(512, 1, 16384, step=1),
            "height": integer(512, 1, 16384, step=1),
            "x": integer(0, 0, 16384, step=1),
            "y": integer(0, 0, 16384, step=1),
        },
        outputs("IMAGE"),
        category="image/transform",
        display_name="Image Crop",
        module=_MODULE,
    ),
    NodeClass(
        "ImageRotate",
        rotate,
        {"image": required("IMAGE"), "rotation": combo(*_ROTATIONS)},
        outputs("IMAGE"),
        category="image/transform",
        module=_MODULE,
    ),
    NodeClass(
        "ImageFlip",
        flip,
        {"image": required("IMAGE"), "flip_method": combo("x-axis: vertically", "y-axis: horizontally")},
        outputs("IMAGE"),
        category="image/transform",
        module=_MODULE,
    ),
    NodeClass(
        "ImagePadForOutpaint",
        pad_for_outpaint,
        {
            "image": required("IMAGE"),
            **{side: integer(0, 0, 16384, step=8) for side in ("left", "top", "right", "bottom")},
            "feathering": integer(40, 0, 16384, step=1),
        },
        outputs("IMAGE", "MASK"),
        category="image",
        display_name="Pad Image for Outpainting",
    ),
)
