"""Nodes that blur, sharpen, reshape and find edges. Source: ComfyUI ``nodes_post_processing``, … (0.3.64)."""

import numpy as np

from comfypipe.engine.pixels import convolve
from comfypipe.engine.pixels.canny import canny
from comfypipe.engine.pixels.extremes import OPERATIONS
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import NodeClass, combo, integer, number, outputs, required


def blur(image: Floats, blur_radius: int, sigma: float) -> tuple[Floats]:
    """Blur with a Gaussian kernel; *sigma* in units of the radius."""
    return (convolve.blur(image, blur_radius, sigma),)


def sharpen(image: Floats, sharpen_radius: int, sigma: float, alpha: float) -> tuple[Floats]:
    """Add the difference to a blurred copy, *alpha* times ten."""
    return (convolve.sharpen(image, sharpen_radius, sigma, alpha),)


def morphology(image: Floats, operation: str, kernel_size: int) -> tuple[Floats]:
    """
    Spread bright or dark pixels over a square window, or combine both.

    Raises:
        ValueError: There is no such operation.
    """
    if operation not in OPERATIONS:
        raise ValueError(f"Invalid operation {operation} for morphology. Must be one of {', '.join(OPERATIONS)}")
    result = np.empty(image.shape, np.float32)
    for index in range(len(image)):
        result[index] = OPERATIONS[operation](image[index : index + 1], kernel_size)[0]
    return (result,)


def find_edges(image: Floats, low_threshold: float, high_threshold: float) -> tuple[Floats]:
    """Draw edges white on black, by Canny's method."""
    edges = canny(image, low_threshold, high_threshold)
    return (np.repeat(edges[..., None], 3, axis=3),)


_CATEGORY = "image/postprocessing"
_MODULE = "comfy_extras.nodes_post_processing"

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "ImageBlur",
        blur,
        {
            "image": required("IMAGE"),
            "blur_radius": integer(1, 1, 31, step=1),
            "sigma": number(1.0, 0.1, 10.0, step=0.1),
        },
        outputs("IMAGE"),
        schema="v3",
        category=_CATEGORY,
        module=_MODULE,
    ),
    NodeClass(
        "ImageSharpen",
        sharpen,
        {
            "image": required("IMAGE"),
            "sharpen_radius": integer(1, 1, 31, step=1),
            "sigma": number(1.0, 0.1, 10.0, step=0.01),
            "alpha": number(1.0, 0.0, 5.0, step=0.01),
        },
        outputs("IMAGE"),
        schema="v3",
        category=_CATEGORY,
        module=_MODULE,
    ),
    NodeClass(
        "Morphology",
        morphology,
        {
            "image": required("IMAGE"),
            "operation": combo(*OPERATIONS),
            "kernel_size": integer(3, 3, 999, step=1),
        },
        outputs("IMAGE"),
        schema="v3",
        category=_CATEGORY,
        display_name="ImageMorphology",
        module="comfy_extras.nodes_morphology",
    ),
    NodeClass(
        "Canny",
        find_edges,
        {
            "image": required("IMAGE"),
            "low_threshold": number(0.4, 0.01, 0.99, step=0.01),
            "high_threshold": number(0.8, 0.01, 0.99, step=0.01),
        },
        outputs("IMAGE"),
        schema="v3",
        category="image/preprocessors",
        module="comfy_extras.nodes_canny",
    ),
)
