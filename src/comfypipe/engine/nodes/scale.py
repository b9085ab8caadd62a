"""Nodes that change the size of images. Source: ComfyUI ``nodes.py``, ``nodes_images``, … (0.3.64)."""

import math

import numpy as np

from comfypipe.engine.arrays import check_proportions, check_size
from comfypipe.engine.pixels.resample import resize, resize_cropped
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, number, outputs, required

_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")

_KONTEXT_SIZES = (
    (672, 1568),
    (688, 1504),
    (720, 1456),
    (752, 1392),
    (800, 1328),
    (832, 1248),
    (880, 1184),
    (944, 1104),
    (1024, 1024),
    (1104, 944),
    (1184, 880),
    (1248, 832),
    (1328, 800),
    (1392, 752),
    (1456, 720),
    (1504, 688),
    (1568, 672),
)
"""Widths and heights that the model was trained on, of about one megapixel."""


def scale(image: Floats, upscale_method: str, width: int, height: int, crop: str) -> tuple[Floats]:
    """Scale to *width* by *height* pixels; 0 follows the proportions; *crop* ``center`` trims to the new ones first."""
    old_height, old_width = image.shape[1:3]
    if width == height == 0:
        return (image,)
    if not width or not height:
        check_proportions(image, "image")
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    resized = (resize_cropped if crop == "center" else resize)(image, width, height, upscale_method)
    return (resized,)


def scale_by(image: Floats, upscale_method: str, scale_by: float) -> tuple[Floats]:
    """Scale both sides by a factor."""
    width, height = round(image.shape[2] * scale_by), round(image.shape[1] * scale_by)
    return (resize(image, width, height, upscale_method),)


def scale_to_pixels(image: Floats, upscale_method: str, megapixels: float) -> tuple[Floats]:
    """Scale to about *megapixels* times 1024 * 1024 pixels."""
    check_proportions(image, "image")
    height, width = image.shape[1:3]
    factor = math.sqrt(int(megapixels * 1024 * 1024) / (width * height))
    return (resize(image, round(width * factor), round(height * factor), upscale_method),)


def scale_to_largest(image: Floats, upscale_method: str, largest_size: int) -> tuple[Floats]:
    """Scale so that the longer side has *largest_size* pixels."""
    height, width = image.shape[1:3]
    new_width = largest_size if width >= height else round(width / height * largest_size)
    new_height = largest_size if height >= width else round(height / width * largest_size)
    return (resize(image, new_width, new_height, upscale_method),)


def resize_and_pad(
    image: Floats, target_width: int, target_height: int, padding_color: str, interpolation: str
) -> tuple[Floats]:
    """Fit images into a canvas of the target's size, in its middle."""
    check_proportions(image, "image")
    batch, height, width, channels = image.shape
    factor = min(target_width / width, target_height / height)
    fitted = resize(image, int(width * factor), int(height * factor), interpolation)
    shape = (batch, target_height, target_width, channels)
    check_size(shape, "target_width, target_height")
    canvas = np.full(shape, 0 if padding_color == "black" else 1, np.float32)
    top, left = (target_height - fitted.shape[1]) // 2, (target_width - fitted.shape[2]) // 2
    canvas[:, top : top + fitted.shape[1], left : left + fitted.shape[2]] = fitted
    return (canvas,)


def scale_for_kontext(image: Floats) -> tuple[Floats]:
    """Scale to that size among those which FLUX Kontext knows whose proportions are nearest."""
    check_proportions(image, "image")
    ratio = image.shape[2] / image.shape[1]
    _, width, height = min((abs(ratio - width / height), width, height) for width, height in _KONTEXT_SIZES)
    return (resize_cropped(image, width, height, "lanczos"),)


def _side(default: int = 512, minimum: int = 0) -> InputSpec:
    return integer(default, minimum, 16384, step=1)


_UPSCALING = "image/upscaling"

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "ImageScale",
        scale,
        {
            "image": required("IMAGE"),
            "upscale_method": combo(*_METHODS),
            "width": _side(),
            "height": _side(),
            "crop": combo("disabled", "center"),
        },
        outputs("IMAGE"),
        category=_UPSCALING,
        display_name="Upscale Image",
    ),
    NodeClass(
        "ImageScaleBy",
        scale_by,
        {
            "image": required("IMAGE"),
            "upscale_method": combo(*_METHODS),
            "scale_by": number(1.0, 0.01, 8.0, step=0.01),
        },
        outputs("IMAGE"),
        category=_UPSCALING,
        display_name="Upscale Image By",
    ),
    NodeClass(
        "ImageScaleToTotalPixels",
        scale_to_pixels,
        {
            "image": required("IMAGE"),
            "upscale_method": combo(*_METHODS),
            "megapixels": number(1.0, 0.01, 16.0, step=0.01),
        },
        outputs("IMAGE"),
        schema="v3",
        category=_UPSCALING,
        module="comfy_extras.nodes_post_processing",
    ),
    NodeClass(
        "ImageScaleToMaxDimension",
        scale_to_largest,
        {
            "image": required("IMAGE"),
            "upscale_method": combo("area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic"),
            "largest_size": _side(),
        },
        outputs("IMAGE"),
        category=_UPSCALING,
        module="comfy_extras.nodes_images",
    ),
    NodeClass(
        "ResizeAndPadImage",
        resize_and_pad,
        {
            "image": required("IMAGE"),
            "target_width": _side(minimum=1),
            "target_height": _side(minimum=1),
            "padding_color": combo("white", "black"),
            "interpolation": combo("area", "bicubic", "nearest-exact", "bilinear", "lanczos"),
        },
        outputs("IMAGE"),
        category="image/transform",
        module="comfy_extras.nodes_images",
    ),
    NodeClass(
        "FluxKontextImageScale",
        scale_for_kontext,
        {"image": required("IMAGE")},
        outputs("IMAGE"),
        schema="v3",
        category="advanced/conditioning/flux",
        description="Scales an image to a size that FLUX Kontext works well with.",
        module="comfy_extras.nodes_flux",
    ),
)
