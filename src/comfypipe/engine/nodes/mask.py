"""Nodes that make and change masks. Source: ComfyUI ``nodes_mask`` (0.3.64)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.arrays import check_size
from comfypipe.engine.pixels.extremes import grow as grow_masks
from comfypipe.engine.pixels.shapes import check_broadcast
from comfypipe.engine.pixels.values import Floats, mask_batch
from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, number, outputs, required

_CHANNELS = ("red", "green", "blue", "alpha")
_MODULE = "comfy_extras.nodes_mask"


def solid(value: float, width: int, height: int) -> tuple[Floats]:
    """Make a mask of one value."""
    check_size((1, height, width), "height, width")
    return (np.full((1, height, width), value, np.float32),)


def invert(mask: Floats) -> tuple[Floats]:
    """Swap what is masked and what is not."""
    return (np.subtract(np.float32(1), mask),)


def crop(mask: Floats, x: int, y: int, width: int, height: int) -> tuple[Floats]:
    """Cut out a rectangle: what of it lies inside, which may be nothing."""
    return (np.ascontiguousarray(mask_batch(mask)[:, y : y + height, x : x + width]),)


def mask_to_image(mask: Floats) -> tuple[Floats]:
    """
    Make grey images of masks.

    Raises:
        RuntimeError: The mask is empty.
    """
    return (np.repeat(mask_batch(mask)[..., None], 3, axis=3),)


def image_to_mask(image: Floats, channel: str) -> tuple[Floats]:
    """
    Take one channel as a mask.

    Raises:
        IndexError: The image has no such channel.
    """
    index = _CHANNELS.index(channel)
    if index >= image.shape[3]:
        raise IndexError(f"index {index} is out of bounds for dimension 3 with size {image.shape[3]}")
    return (np.ascontiguousarray(image[..., index]),)


def color_to_mask(image: Floats, color: int) -> tuple[Floats]:
    """Mask the pixels of one colour, ``0xRRGGBB``, after rounding to 8 bits."""
    levels = np.rint(np.clip(image[..., :3], 0, 1) * np.float32(255)).astype(np.int32)
    packed = (levels[..., 0] << 16) + (levels[..., 1] << 8) + levels[..., 2]
    return ((packed == color).astype(np.float32),)


def threshold(mask: Floats, value: float) -> tuple[Floats]:
    """Mask what is greater than *value*, fully."""
    return ((mask > np.float32(value)).astype(np.float32),)


def feather(mask: Floats, left: int, top: int, right: int, bottom: int) -> tuple[Floats]:
    """
    Fade masks out towards their edges, linearly over so many pixels.

    As in ComfyUI the right and bottom fades lie one pixel off: they begin at the opposite edge, which they set to its
    smallest factor, and go on from the outermost line with the second.
    """
    result = mask_batch(mask).copy()
    height, width = result.shape[1:]
    for size, before, after, axis in ((width, left, right, 2), (height, top, bottom, 1)):
        for factors in (_fade(size, before, 1), _fade(size, after, -1)):
            result *= factors if axis == 2 else factors[:, None]
    return (result,)


def _fade(size: int, length: int, direction: int) -> Floats:
    length = min(length, size)
    factors = np.ones(size, np.float32)
    steps = np.arange(length)
    factors[direction * steps] = (steps + 1.0) / max(length, 1)
    return factors


def grow(mask: Floats, expand: int, tapered_corners: bool) -> tuple[Floats]:
    """Grow masks by *expand* pixels, or shrink them where that is negative."""
    return (grow_masks(mask_batch(mask), expand, tapered=tapered_corners),)


_OPERATIONS: Mapping[str, Callable[[Floats, Floats], NDArray[Any]]] = {
    "multiply": lambda a, b: a * b,
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "and": lambda a, b: _is_set(a) & _is_set(b),
    "or": lambda a, b: _is_set(a) | _is_set(b),
    "xor": lambda a, b: _is_set(a) ^ _is_set(b),
}


def _is_set(mask: Floats) -> NDArray[np.bool_]:
    return np.rint(mask).astype(bool)


def combine(destination: Floats, source: Floats, x: int, y: int, operation: str) -> tuple[Floats]:
    """
    Combine *source* with what lies under it at (*x*, *y*), and clamp all of the mask to 0..1.

    Raises:
        RuntimeError: The batches differ, or the source lies beyond the destination.
    """
    result, above = mask_batch(destination).copy(), mask_batch(source)
    height, width = result.shape[1:]
    bottom, right = min(y + above.shape[1], height), min(x + above.shape[2], width)
    under, above = result[:, y:bottom, x:right], above[:, : bottom - y, : right - x]
    check_broadcast(under.shape, above.shape)
    if len(above) > len(under):
        raise RuntimeError(f"source has {len(above)} masks, which do not go into one of destination")
    under[...] = _OPERATIONS[operation](under, above)
    return (np.clip(result, 0, 1, out=result),)


def _node(
    class_type: str,
    function: Callable[..., tuple[Floats]],
    inputs: Mapping[str, InputSpec],
    output: str = "MASK",
    display_name: str | None = None,
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        inputs,
        outputs(output),
        category="mask",
        display_name=display_name,
        module=_MODULE,
    )


def _side(default: int = 512, minimum: int = 1) -> InputSpec:
    return integer(default, minimum, 16384, step=1)


_MASK = {"mask": required("MASK")}
_PLACE = {"x": _side(0, 0), "y": _side(0, 0)}
_SIZE = {"width": _side(), "height": _side()}

NODES: tuple[NodeClass, ...] = (
    _node("SolidMask", solid, {"value": number(1.0, 0.0, 1.0, step=0.01), **_SIZE}),
    _node("InvertMask", invert, _MASK),
    _node("CropMask", crop, {**_MASK, **_PLACE, **_SIZE}),
    _node("MaskToImage", mask_to_image, _MASK, "IMAGE", "Convert Mask to Image"),
    _node(
        "ImageToMask",
        image_to_mask,
        {"image": required("IMAGE"), "channel": combo(*_CHANNELS)},
        display_name="Convert Image to Mask",
    ),
    _node(
        "ImageColorToMask",
        color_to_mask,
        {"image": required("IMAGE"), "color": integer(0, 0, 0xFFFFFF, step=1, display="color")},
    ),
    _node("ThresholdMask", threshold, {**_MASK, "value": number(0.5, 0.0, 1.0, step=0.01)}),
    _node("FeatherMask", feather, {**_MASK, **{side: _side(0, 0) for side in ("left", "top", "right", "bottom")}}),
    _node(
        "GrowMask",
        grow,
        {
            **_MASK,
            "expand": integer(0, -16384, 16384, step=1),
            "tapered_corners": required("BOOLEAN", default=True),
        },
    ),
    _node(
        "MaskComposite",
        combine,
        {"destination": required("MASK"), "source": required("MASK"), **_PLACE, "operation": combo(*_OPERATIONS)},
    ),
)
