"""Nodes that put images over each other and take alpha apart. Source: ComfyUI ``nodes_mask``, ``nodes_compositing``."""

import numpy as np

from comfypipe.engine.pixels import porter_duff
from comfypipe.engine.pixels.composite import composite
from comfypipe.engine.pixels.resample import bilinear, resize, resize_cropped
from comfypipe.engine.pixels.values import Floats, mask_batch
from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, outputs, required


def composite_masked(
    destination: Floats, source: Floats, x: int, y: int, resize_source: bool, mask: Floats | None = None
) -> tuple[Floats]:
    """
    Paste *source* into *destination* at (*x*, *y*), where *mask* is 1 or everywhere.

    Raises:
        RuntimeError: The destination has more channels than the source, or the place is left of it or above.
    """
    # A destination with alpha over a source without gets one channel more in ComfyUI, and then fails; so it does here.
    spare = 1 if destination.shape[3] > source.shape[3] else 0
    below = np.pad(destination, [(0, 0)] * 3 + [(0, spare)], constant_values=1.0) if spare else destination
    above = source[..., : below.shape[3]]
    if resize_source:
        above = resize(above, below.shape[2], below.shape[1], "bilinear")
    return (composite(below, above, x, y, None if mask is None else mask_batch(mask)),)


def porter_duff_composite(
    source: Floats, source_alpha: Floats, destination: Floats, destination_alpha: Floats, mode: str
) -> tuple[Floats, Floats]:
    """
    Compose *source* with *destination* by a Porter-Duff mode.

    Masks are 1 where an image is transparent, in and out. The shortest batch decides; the rest is scaled and trimmed to
    the destination's size.

    Raises:
        AssertionError: The images have unlike channels.
        ValueError: There is no such mode.
    """
    if source.shape[3] != destination.shape[3]:
        raise AssertionError(
            f"source has {source.shape[3]} channels, destination {destination.shape[3]}: they must be the same"
        )
    batch = min(len(each) for each in (source, source_alpha, destination, destination_alpha))
    size = destination.shape[1:3]
    images = [_fitted(each[:batch], size) for each in (source, destination)]
    alphas = [1 - _fitted(mask_batch(each)[:batch, :, :, None], size) for each in (source_alpha, destination_alpha)]
    composed = [
        porter_duff.compose(images[0][index], alphas[0][index], images[1][index], alphas[1][index], mode)
        for index in range(batch)
    ]
    return np.stack([color for color, _ in composed]), np.stack([1 - alpha[..., 0] for _, alpha in composed])


def _fitted(images: Floats, size: tuple[int, ...]) -> Floats:
    return images if images.shape[1:3] == size else resize_cropped(images, size[1], size[0], "bicubic")


def split_alpha(image: Floats) -> tuple[Floats, Floats]:
    """Part colours from transparency; the mask is 1 where the image is transparent, 0 without alpha."""
    if image.shape[3] < 4:
        return image[..., :3], np.zeros(image.shape[:3], np.float32)
    return np.ascontiguousarray(image[..., :3]), np.subtract(np.float32(1), image[..., 3])


def join_alpha(image: Floats, alpha: Floats) -> tuple[Floats]:
    """Give images the transparency of a mask, stretched to their size; the shorter batch decides."""
    height, width = image.shape[1:3]
    opacity = 1 - bilinear(mask_batch(alpha)[..., None], width, height)
    batch = min(len(image), len(opacity))
    return (np.concatenate([image[:batch, :, :, :3], opacity[:batch]], axis=3),)


_CATEGORY = "mask/compositing"
_MODULE = "comfy_extras.nodes_compositing"

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "ImageCompositeMasked",
        composite_masked,
        {
            "destination": required("IMAGE"),
            "source": required("IMAGE"),
            "x": integer(0, 0, 16384, step=1),
            "y": integer(0, 0, 16384, step=1),
            "resize_source": required("BOOLEAN", default=False),
            "mask": InputSpec("MASK", optional=True),
        },
        outputs("IMAGE"),
        category="image",
        module="comfy_extras.nodes_mask",
    ),
    NodeClass(
        "PorterDuffImageComposite",
        porter_duff_composite,
        {
            "source": required("IMAGE"),
            "source_alpha": required("MASK"),
            "destination": required("IMAGE"),
            "destination_alpha": required("MASK"),
            "mode": combo(*porter_duff.MODES, default="DST"),
        },
        outputs("IMAGE", "MASK"),
        schema="v3",
        category=_CATEGORY,
        display_name="Porter-Duff Image Composite",
        module=_MODULE,
    ),
    NodeClass(
        "SplitImageWithAlpha",
        split_alpha,
        {"image": required("IMAGE")},
        outputs("IMAGE", "MASK"),
        schema="v3",
        category=_CATEGORY,
        display_name="Split Image with Alpha",
        module=_MODULE,
    ),
    NodeClass(
        "JoinImageWithAlpha",
        join_alpha,
        {"image": required("IMAGE"), "alpha": required("MASK")},
        outputs("IMAGE"),
        schema="v3",
        category=_CATEGORY,
        display_name="Join Image with Alpha",
        module=_MODULE,
    ),
)
