"""ImageStitch: one image beside another. Source: ComfyUI ``nodes_images`` (0.3.64)."""

from collections.abc import Mapping

import numpy as np

from comfypipe.engine.arrays import check_proportions
from comfypipe.engine.pixels.resample import resize
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, outputs, required

_COLORS: Mapping[str, tuple[float, float, float]] = {
    "white": (1, 1, 1),
    "black": (0, 0, 0),
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
}


def stitch(
    image1: Floats,
    direction: str,
    match_image_size: bool,
    spacing_width: int,
    spacing_color: str,
    image2: Floats | None = None,
) -> tuple[Floats]:
    """
    Put *image2* to one side of *image1*.

    Args:
        image1: The image that keeps its size.
        direction: The side: ``right``, ``down``, ``left`` or ``up``.
        match_image_size: Scale *image2* to the common side; else the smaller one is padded, in its middle.
        spacing_width: Pixels between them, rounded up to an even number.
        spacing_color: Colour of the gap, and of the padding where it is white; other padding is black.
        image2: Without it, *image1* is returned as it is.
    """
    if image2 is None:
        return (image1,)
    across = direction in ("left", "right")
    shared, joined = (1, 2) if across else (2, 1)
    batch = max(len(image1), len(image2))
    pair = [_lengthened(each, batch) for each in (image1, image2)]
    if match_image_size:
        pair[1] = _matched(*pair, across=across)
    else:
        pair = _padded(pair, shared, 1.0 if spacing_color == "white" else 0.0)
    channels = max(each.shape[3] for each in pair)
    parts = [_filled(each, channels) for each in pair]
    if direction in ("left", "up"):
        parts.reverse()
    if spacing_width > 0:
        parts.insert(1, _gap(parts[0], joined, spacing_width + spacing_width % 2, _COLORS[spacing_color]))
    return (np.concatenate(parts, axis=joined),)


def _lengthened(image: Floats, batch: int) -> Floats:
    return image[np.minimum(np.arange(batch), len(image) - 1)] if len(image) < batch else image


def _matched(image1: Floats, image2: Floats, *, across: bool) -> Floats:
    check_proportions(image2, "image2")
    ratio = image2.shape[2] / image2.shape[1]
    height, width = image1.shape[1:3]
    new_width, new_height = (int(height * ratio), height) if across else (width, int(width / ratio))
    return resize(image2, new_width, new_height, "lanczos")


def _padded(pair: list[Floats], axis: int, value: float) -> list[Floats]:
    size = max(each.shape[axis] for each in pair)
    return [_centred(each, axis, size, value) for each in pair]


def _centred(image: Floats, axis: int, size: int, value: float) -> Floats:
    missing = size - image.shape[axis]
    if not missing:
        return image
    widths = [(0, 0)] * image.ndim
    widths[axis] = (missing // 2, missing - missing // 2)
    return np.pad(image, widths, constant_values=value)


def _filled(image: Floats, channels: int) -> Floats:
    missing = channels - image.shape[3]
    return np.pad(image, [(0, 0)] * 3 + [(0, missing)], constant_values=1.0) if missing else image


def _gap(image: Floats, axis: int, width: int, color: tuple[float, ...]) -> Floats:
    shape = list(image.shape)
    shape[axis] = width
    gap = np.ones(shape, np.float32)
    shown = min(len(color), shape[3])
    gap[..., :shown] = color[:shown]
    return gap


NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "ImageStitch",
        stitch,
        {
            "image1": required("IMAGE"),
            "direction": combo("right", "down", "left", "up", default="right"),
            "match_image_size": required("BOOLEAN", default=True),
            "spacing_width": integer(0, 0, 1024, step=2),
            "spacing_color": combo("white", "black", "red", "green", "blue", default="white"),
            "image2": InputSpec("IMAGE", optional=True),
        },
        outputs("IMAGE"),
        category="image/transform",
        display_name="Image Stitch",
        description="Puts the second image beside the first, with a gap between them if wanted.",
        module="comfy_extras.nodes_images",
    ),
)
