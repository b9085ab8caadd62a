"""Nodes that change colours pixel by pixel. Source: ComfyUI ``nodes.py``, ``nodes_images``, … (0.3.64)."""

import numpy as np

from comfypipe.engine.pixels import quantize as palettes
from comfypipe.engine.pixels.codec import recompressed
from comfypipe.engine.pixels.noise import torch_randn
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import NodeClass, combo, integer, number, outputs, required


def invert(image: Floats) -> tuple[Floats]:
    """Return the negative, of every channel."""
    return (np.subtract(np.float32(1), image),)


def add_noise(image: Floats, seed: int, strength: float) -> tuple[Floats]:
    """Add normal noise, the same for the same seed as PyTorch's on a CPU, and clamp to 0..1."""
    noise = torch_randn(image.shape, seed)
    noise *= np.float32(strength)
    noise += image
    return (np.clip(noise, 0, 1, out=noise),)


def quantize(image: Floats, colors: int, dither: str) -> tuple[Floats]:
    """Reduce each image to a palette of its own."""
    return (palettes.quantize(image, colors, dither),)


def rgb_to_yuv(image: Floats) -> tuple[Floats, Floats, Floats]:
    """
    Split into luma and two colour differences, each as a grey image.

    Raises:
        ValueError: The image has transparency.

    Source: kornia's ``rgb_to_ycbcr``.
    """
    if image.shape[3] != 3:
        raise ValueError(f"image: {image.shape[3]} channels, expected 3; SplitImageWithAlpha takes transparency off")
    red, green, blue = (image[..., channel] for channel in range(3))
    luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    blueness = (blue - luma) * np.float32(0.564) + np.float32(0.5)
    redness = (red - luma) * np.float32(0.713) + np.float32(0.5)
    y, u, v = (np.repeat(each[..., None], image.shape[3], axis=3) for each in (luma, blueness, redness))
    return y, u, v


def yuv_to_rgb(Y: Floats, U: Floats, V: Floats) -> tuple[Floats]:  # noqa: N803  the names of the inputs
    """
    Join luma and two colour differences, each the mean of an image's channels.

    Raises:
        RuntimeError: Sizes or batches differ.

    Source: kornia 0.9.
    """
    if not Y.shape[:3] == U.shape[:3] == V.shape[:3]:
        shapes = ", ".join(f"{name} {each.shape[:3]}" for name, each in (("Y", Y), ("U", U), ("V", V)))
        raise RuntimeError(f"images differ in batch, height or width: {shapes}")
    luma, blueness, redness = (_channel_mean(each) for each in (Y, U, V))
    return (_from_yuv(luma, blueness - np.float32(0.5), redness - np.float32(0.5)),)


def _channel_mean(image: Floats) -> Floats:
    total: Floats = image[..., :1].copy()
    for channel in range(1, image.shape[3]):
        total += image[..., channel : channel + 1]
    total /= np.float32(image.shape[3])
    return total


def _from_yuv(luma: Floats, blueness: Floats, redness: Floats) -> Floats:
    red = luma + np.float32(1.4025245442) * redness
    green = luma - np.float32(0.7144034731) * redness - np.float32(0.3443401356) * blueness
    blue = luma + np.float32(1.7730496454) * blueness
    joined = np.concatenate([red, green, blue], axis=-1)
    return np.clip(joined, 0, 1, out=joined)


def compress(image: Floats, img_compression: int) -> tuple[Floats]:
    """Give images the traces of video compression that a model was trained on; 0 leaves them as they are."""
    return (recompressed(image, img_compression) if img_compression else image,)


_MODULE = "comfy_extras.nodes_post_processing"

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "ImageInvert",
        invert,
        {"image": required("IMAGE")},
        outputs("IMAGE"),
        category="image",
        display_name="Invert Image",
    ),
    NodeClass(
        "ImageAddNoise",
        add_noise,
        {
            "image": required("IMAGE"),
            "seed": integer(0, 0, 2**64 - 1, control_after_generate=True, tooltip="Which noise."),
            "strength": number(0.5, 0.0, 1.0, step=0.01),
        },
        outputs("IMAGE"),
        category="image",
        module="comfy_extras.nodes_images",
    ),
    NodeClass(
        "ImageQuantize",
        quantize,
        {
            "image": required("IMAGE"),
            "colors": integer(256, 1, 256, step=1),
            "dither": combo(*palettes.DITHERS),
        },
        outputs("IMAGE"),
        schema="v3",
        category="image/postprocessing",
        module=_MODULE,
    ),
    NodeClass(
        "ImageRGBToYUV",
        rgb_to_yuv,
        {"image": required("IMAGE")},
        outputs("IMAGE", "IMAGE", "IMAGE", names=("Y", "U", "V")),
        schema="v3",
        category="image/batch",
        module="comfy_extras.nodes_morphology",
    ),
    NodeClass(
        "ImageYUVToRGB",
        yuv_to_rgb,
        {name: required("IMAGE") for name in ("Y", "U", "V")},
        outputs("IMAGE"),
        schema="v3",
        category="image/batch",
        module="comfy_extras.nodes_morphology",
    ),
    NodeClass(
        "LTXVPreprocess",
        compress,
        {
            "image": required("IMAGE"),
            "img_compression": integer(35, 0, 100, tooltip="How strongly, as a constant rate factor."),
        },
        outputs("IMAGE", names=("output_image",)),
        schema="v3",
        category="image",
        module="comfy_extras.nodes_lt",
    ),
)
