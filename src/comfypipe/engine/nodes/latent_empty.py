"""Nodes that make empty latents, a shape for each family of models. Source: ComfyUI 0.3.64."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from comfypipe.engine.arrays import zeros
from comfypipe.engine.latents.value import Latent
from comfypipe.engine.registry import InputSpec, NodeClass, integer, number, outputs

_BATCH = integer(1, 1, 4096)


def _side(default: int, minimum: int, step: int) -> InputSpec:
    return integer(default, minimum, 16384, step=step)


def _image(channels: int, factor: int) -> Callable[..., tuple[Latent]]:
    def make(width: int, height: int, batch_size: int) -> tuple[Latent]:
        shape = (batch_size, channels, height // factor, width // factor)
        return ({"samples": zeros(shape, "width, height, batch_size")},)

    return make


def _video(channels: int, factor: int, frames: int) -> Callable[..., tuple[Latent]]:
    def make(width: int, height: int, length: int, batch_size: int) -> tuple[Latent]:
        shape = (batch_size, channels, (length - 1) // frames + 1, height // factor, width // factor)
        return ({"samples": zeros(shape, "width, height, length, batch_size")},)

    return make


def shape_3d(resolution: int, batch_size: int) -> tuple[Latent]:
    """Make an empty latent of a 3D shape, for Hunyuan3D."""
    return ({"samples": zeros((batch_size, 64, resolution), "resolution, batch_size"), "type": "hunyuan3dv2"},)


def sound(seconds: float, batch_size: int) -> tuple[Latent]:
    """Make an empty latent of sound, for Stable Audio."""
    length = round(seconds * 44100 / 2048 / 2) * 2
    return ({"samples": zeros((batch_size, 64, length), "seconds, batch_size"), "type": "audio"},)


def song(seconds: float, batch_size: int) -> tuple[Latent]:
    """Make an empty latent of a song, for ACE-Step."""
    length = int(seconds * 44100 / 512 / 8)
    return ({"samples": zeros((batch_size, 8, 16, length), "seconds, batch_size"), "type": "audio"},)


def cascade(width: int, height: int, compression: int, batch_size: int) -> tuple[Latent, Latent]:
    """Make the two empty latents of Stable Cascade's stages."""
    name = "width, height, compression, batch_size"
    stage_c = zeros((batch_size, 16, height // compression, width // compression), name)
    return {"samples": stage_c}, {"samples": zeros((batch_size, 4, height // 4, width // 4), name)}


def _node(
    class_type: str,
    category: str,
    module: str,
    function: Callable[..., tuple[Any, ...]],
    inputs: Mapping[str, InputSpec],
    description: str | None = None,
    schema: Literal["v1", "v3"] = "v3",
    display_name: str | None = None,
    names: tuple[str, ...] = ("LATENT",),
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        {**inputs, "batch_size": _BATCH},
        outputs(*("LATENT" for _ in names), names=names),
        schema=schema,
        category=category,
        display_name=display_name,
        description=description or (function.__doc__ or "").strip().partition("\n")[0],
        module=module,
    )


def _image_inputs(width: int, height: int, minimum: int, step: int) -> dict[str, InputSpec]:
    return {"width": _side(width, minimum, step), "height": _side(height, minimum, step)}


def _video_inputs(
    width: int, height: int, minimum: int, step: int, length: tuple[int, int, int]
) -> dict[str, InputSpec]:
    default, shortest, frames = length
    return {
        **_image_inputs(width, height, minimum, step),
        "length": integer(default, shortest, 16384, step=frames),
    }


def _seconds(default: float) -> dict[str, InputSpec]:
    return {"seconds": number(default, 1.0, 1000.0, step=0.1)}


NODES: tuple[NodeClass, ...] = (
    _node(
        "EmptyLatentImage",
        "latent",
        "nodes",
        _image(4, 8),
        _image_inputs(512, 512, 16, 8),
        "Make an empty latent of an image, for Stable Diffusion 1, 2 and XL.",
        "v1",
        "Empty Latent Image",
    ),
    _node(
        "EmptySD3LatentImage",
        "latent/sd3",
        "comfy_extras.nodes_sd3",
        _image(16, 8),
        _image_inputs(1024, 1024, 16, 16),
        "Make an empty latent of an image, for Stable Diffusion 3 and Flux.",
    ),
    _node(
        "EmptyHunyuanImageLatent",
        "latent",
        "comfy_extras.nodes_hunyuan",
        _image(64, 32),
        _image_inputs(2048, 2048, 64, 32),
        "Make an empty latent of an image, for HunyuanImage.",
        "v1",
    ),
    _node(
        "EmptyChromaRadianceLatentImage",
        "latent/chroma_radiance",
        "comfy_extras.nodes_chroma_radiance",
        _image(3, 1),
        _image_inputs(1024, 1024, 16, 16),
        "Make an empty latent of an image, for Chroma Radiance, which works on pixels.",
    ),
    _node(
        "EmptyHunyuanLatentVideo",
        "latent/video",
        "comfy_extras.nodes_hunyuan",
        _video(16, 8, 4),
        _video_inputs(848, 480, 16, 16, (25, 1, 4)),
        "Make an empty latent of a video, for HunyuanVideo and Wan 2.1.",
        "v1",
    ),
    _node(
        "EmptyMochiLatentVideo",
        "latent/video",
        "comfy_extras.nodes_mochi",
        _video(12, 8, 6),
        _video_inputs(848, 480, 16, 16, (25, 7, 6)),
        "Make an empty latent of a video, for Mochi.",
    ),
    _node(
        "EmptyLTXVLatentVideo",
        "latent/video/ltxv",
        "comfy_extras.nodes_lt",
        _video(128, 32, 8),
        _video_inputs(768, 512, 64, 32, (97, 1, 8)),
        "Make an empty latent of a video, for LTX-Video.",
    ),
    _node(
        "EmptyCosmosLatentVideo",
        "latent/video",
        "comfy_extras.nodes_cosmos",
        _video(16, 8, 8),
        _video_inputs(1280, 704, 16, 16, (121, 1, 8)),
        "Make an empty latent of a video, for Cosmos.",
    ),
    _node(
        "EmptyLatentHunyuan3Dv2",
        "latent/3d",
        "comfy_extras.nodes_hunyuan3d",
        shape_3d,
        {"resolution": integer(3072, 1, 8192)},
        schema="v1",
    ),
    _node(
        "EmptyLatentAudio",
        "latent/audio",
        "comfy_extras.nodes_audio",
        sound,
        _seconds(47.6),
        schema="v1",
        display_name="Empty Latent Audio",
    ),
    _node("EmptyAceStepLatentAudio", "latent/audio", "comfy_extras.nodes_ace", song, _seconds(120.0)),
    _node(
        "StableCascade_EmptyLatentImage",
        "latent/stable_cascade",
        "comfy_extras.nodes_stable_cascade",
        cascade,
        {**_image_inputs(1024, 1024, 256, 8), "compression": integer(42, 4, 128, step=1)},
        names=("stage_c", "stage_b"),
    ),
)
