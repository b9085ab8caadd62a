"""Nodes that make, join and split batches of images. Source: ComfyUI ``nodes.py``, ``nodes_images`` (0.3.64)."""

import numpy as np

from comfypipe.engine.arrays import check_size
from comfypipe.engine.pixels.resample import resize_cropped
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import NodeClass, integer, outputs, required


def empty_image(width: int, height: int, batch_size: int, color: int) -> tuple[Floats]:
    """Make images of one colour, ``0xRRGGBB``."""
    shape = (batch_size, height, width, 3)
    check_size(shape, "batch_size, height, width")
    channels = [(color >> shift & 0xFF) / 0xFF for shift in (16, 8, 0)]
    image = np.empty(shape, np.float32)
    image[...] = channels
    return (image,)


def join_batches(image1: Floats, image2: Floats) -> tuple[Floats]:
    """
    Append *image2*, scaled and trimmed to the size of *image1* where that differs.

    Raises:
        RuntimeError: They have unlike channels.
    """
    if image1.shape[1:] != image2.shape[1:]:
        image2 = resize_cropped(image2, image1.shape[2], image1.shape[1], "bilinear")
    if image1.shape[3] != image2.shape[3]:
        raise RuntimeError(
            f"Sizes of tensors must match except in dimension 0. Expected size {image1.shape[3]} but got size "
            f"{image2.shape[3]} for tensor number 1 in the list."
        )
    return (np.concatenate([image1, image2]),)


def repeat(image: Floats, amount: int) -> tuple[Floats]:
    """Repeat a whole batch *amount* times."""
    check_size((amount, *image.shape), "amount, image")
    return (np.tile(image, (amount, 1, 1, 1)),)


def take(image: Floats, batch_index: int, length: int) -> tuple[Floats]:
    """Take *length* images from *batch_index* on, or as many as there are; the last one if it lies beyond."""
    start = min(len(image) - 1, batch_index)
    return (image[start : start + min(len(image) - start, length)],)


def rebatch(images: list[Floats], batch_size: list[int]) -> tuple[list[Floats]]:
    """
    Split all batches and group their images anew, *batch_size* at a time.

    Raises:
        ValueError: Images differ in size, and a batch would hold several.
    """
    singles = [each[index : index + 1] for each in images for index in range(len(each))]
    step = batch_size[0]
    sizes = sorted({each.shape[1:] for each in singles})
    if len(sizes) > 1 and step > 1:
        raise ValueError(f"images of unlike sizes (height, width, channels) do not make a batch: {sizes}")
    if step == 1 or not singles:
        return (singles,)  # as they lie in their batches: nothing is copied
    whole = images[0] if len(images) == 1 else np.concatenate(singles)
    return ([whole[start : start + step] for start in range(0, len(singles), step)],)


def size(image: Floats) -> tuple[int, int, int]:
    """Return width, height and number of images."""
    return image.shape[2], image.shape[1], len(image)


_MODULE = "comfy_extras.nodes_images"

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "EmptyImage",
        empty_image,
        {
            "width": integer(512, 1, 16384, step=1),
            "height": integer(512, 1, 16384, step=1),
            "batch_size": integer(1, 1, 4096),
            "color": integer(0, 0, 0xFFFFFF, step=1, display="color"),
        },
        outputs("IMAGE"),
        category="image",
    ),
    NodeClass(
        "ImageBatch",
        join_batches,
        {"image1": required("IMAGE"), "image2": required("IMAGE")},
        outputs("IMAGE"),
        category="image",
        display_name="Batch Images",
    ),
    NodeClass(
        "RepeatImageBatch",
        repeat,
        {"image": required("IMAGE"), "amount": integer(1, 1, 4096)},
        outputs("IMAGE"),
        category="image/batch",
        module=_MODULE,
    ),
    NodeClass(
        "ImageFromBatch",
        take,
        {"image": required("IMAGE"), "batch_index": integer(0, 0, 4095), "length": integer(1, 1, 4096)},
        outputs("IMAGE"),
        category="image/batch",
        module=_MODULE,
    ),
    NodeClass(
        "RebatchImages",
        rebatch,
        {"images": required("IMAGE"), "batch_size": integer(1, 1, 4096)},
        outputs("IMAGE", is_list=True),
        input_is_list=True,
        schema="v3",
        category="image/batch",
        display_name="Rebatch Images",
        module="comfy_extras.nodes_rebatch",
    ),
    NodeClass(
        "GetImageSize",
        size,
        {"image": required("IMAGE")},
        outputs("INT", "INT", "INT", names=("width", "height", "batch_size")),
        category="image",
        display_name="Get Image Size",
        description="Tells how wide and high images are, and how many.",
        module=_MODULE,
        hidden={"unique_id": "UNIQUE_ID"},
    ),
)
