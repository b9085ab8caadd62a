"""ImageBlend: two images mixed by a blend mode. Source: ComfyUI ``nodes_post_processing`` (0.3.64)."""

from comfypipe.engine.pixels import blend
from comfypipe.engine.pixels.resample import resize_cropped
from comfypipe.engine.pixels.shapes import check_broadcast
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import NodeClass, combo, number, outputs, required


def blend_images(image1: Floats, image2: Floats, blend_factor: float, blend_mode: str) -> tuple[Floats]:
    """
    Mix *image2* into *image1*; it is scaled and trimmed to its size, and loses channels that *image1* has not.

    Raises:
        RuntimeError: *image1* has more channels, or neither batch is one image long and they differ.
        ValueError: There is no such mode.
    """
    if image1.shape[3] > image2.shape[3]:
        # ComfyUI gives the first image one channel more, opaque, and fails on that.
        check_broadcast((*image1.shape[:3], image1.shape[3] + 1), image2.shape)
    image2 = image2[..., : image1.shape[3]]
    if image1.shape != image2.shape:
        image2 = resize_cropped(image2, image1.shape[2], image1.shape[1], "bicubic")
    check_broadcast(image1.shape, image2.shape)
    return (blend.blend(image1, image2, blend_factor, blend_mode),)


NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "ImageBlend",
        blend_images,
        {
            "image1": required("IMAGE"),
            "image2": required("IMAGE"),
            "blend_factor": number(0.5, 0.0, 1.0, step=0.01),
            "blend_mode": combo(*blend.MODES),
        },
        outputs("IMAGE"),
        schema="v3",
        category="image/postprocessing",
        module="comfy_extras.nodes_post_processing",
    ),
)
