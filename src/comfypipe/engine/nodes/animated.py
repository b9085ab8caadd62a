"""Nodes that save images as one animated picture. Source: ComfyUI ``nodes_images`` (0.3.64)."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from comfypipe.engine.pixels.values import Floats, to_bytes
from comfypipe.engine.registry import Context, InputSpec, NodeClass, Result, combo, integer, number, required
from comfypipe.engine.saving import save_location, written

_METHODS = {"default": 4, "fastest": 0, "slowest": 6}
"""How much time WebP's compression takes, on its own scale."""
_EXIF_MODEL, _EXIF_MAKE = 0x0110, 0x010F
"""Tags that ComfyUI uses for the prompt and, from the second downwards, for the extras."""


def save_webp(
    images: Floats,
    filename_prefix: str,
    fps: float,
    lossless: bool,
    quality: int,
    method: str,
    context: Context,
) -> Result:
    """
    Save images as an animated WebP.

    Raises:
        ValueError: There are no images, or the frame rate is none.
    """
    options: dict[str, Any] = {"lossless": lossless, "quality": quality, "method": _METHODS[method]}
    options["exif"] = _exif(context)
    return _save(images, "webp", filename_prefix, fps, options, context, animated=len(images) != 1)


def _exif(context: Context) -> Image.Exif:
    exif = Image.Exif()
    exif[_EXIF_MODEL] = f"prompt:{json.dumps(context.prompt)}"
    for index, (key, value) in enumerate(context.extra_pnginfo.items()):
        exif[_EXIF_MAKE - index] = f"{key}:{json.dumps(value)}"
    return exif


def save_png(images: Floats, filename_prefix: str, fps: float, compress_level: int, context: Context) -> Result:
    """
    Save images as an animated PNG.

    Raises:
        ValueError: There are no images, or the frame rate is none.
    """
    options = {"pnginfo": _chunks(context), "compress_level": compress_level}
    return _save(images, "png", filename_prefix, fps, options, context, animated=True)


def _chunks(context: Context) -> PngInfo:
    info = PngInfo()
    for key, value in {"prompt": context.prompt, **context.extra_pnginfo}.items():
        # Readers look for the first image's texts before its data: after it they are ours alone.
        info.add(b"comf", f"{key}\0{json.dumps(value)}".encode("latin-1"), after_idat=True)
    return info


def _save(
    images: Floats,
    suffix: str,
    prefix: str,
    fps: float,
    options: Mapping[str, Any],
    context: Context,
    *,
    animated: bool,
) -> Result:
    if not len(images):
        raise ValueError("images: there are none")
    if not fps > 0:
        raise ValueError(f"fps: {fps:g} frames a second, expected more than 0")
    location = save_location(prefix, context.folders.output, images.shape[2], images.shape[1])
    name = location.name(suffix)
    with written(location.folder / name) as path:
        _write(path, [Image.fromarray(to_bytes(each)) for each in images], int(1000 / fps), options)
    entry = {"filename": name, "subfolder": location.subfolder, "type": "output"}
    return Result(ui={"images": [entry], "animated": [animated]})


def _write(path: Path, frames: list[Image.Image], duration_ms: int, options: Mapping[str, Any]) -> None:
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration_ms, **options)


_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def _node(class_type: str, function: Callable[..., Result], **inputs: InputSpec) -> NodeClass:
    common = {
        "images": required("IMAGE"),
        "filename_prefix": required("STRING", default="ComfyUI"),
        "fps": number(6.0, 0.01, 1000.0, step=0.01),
    }
    return NodeClass(
        class_type,
        function,
        common | inputs,
        (),
        output_node=True,
        category="image/animation",
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module="comfy_extras.nodes_images",
        hidden=_HIDDEN,
    )


NODES: tuple[NodeClass, ...] = (
    _node(
        "SaveAnimatedWEBP",
        save_webp,
        lossless=required("BOOLEAN", default=True),
        quality=integer(80, 0, 100),
        method=combo(*_METHODS),
    ),
    _node("SaveAnimatedPNG", save_png, compress_level=integer(4, 0, 9)),
)
