"""Nodes that write images to files. Source: ComfyUI ``nodes.py``, ``nodes_mask`` (0.3.64)."""

import io
import json

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from comfypipe._types import JSONObject
from comfypipe.engine.nodes.mask import mask_to_image
from comfypipe.engine.pixels.values import Floats, to_bytes
from comfypipe.engine.registry import Context, NodeClass, Result, required
from comfypipe.engine.saving import SaveLocation, preview_location, save_location, written

_COMPRESS_LEVEL, _PREVIEW_COMPRESS_LEVEL = 4, 1


def save_images(images: Floats, filename_prefix: str, context: Context) -> Result:
    """
    Save each image as a PNG below ``output``; the prompt and what came with it stand in its text chunks.

    Raises:
        ValueError: The images have no pixels.
        TypeError: They have neither three nor four channels.
    """
    location = save_location(filename_prefix, context.folders.output, images.shape[2], images.shape[1])
    return _save(images, location, "output", _COMPRESS_LEVEL, context)


def preview_images(images: Floats, context: Context) -> Result:
    """Save images below ``temp``, quickly, for clients to show."""
    location = preview_location(context.folders.temp, images.shape[2], images.shape[1])
    return _save(images, location, "temp", _PREVIEW_COMPRESS_LEVEL, context)


def preview_mask(mask: Floats, context: Context) -> Result:
    """Save masks as grey images below ``temp``."""
    (images,) = mask_to_image(mask)
    location = preview_location(context.folders.temp, images.shape[2], images.shape[1])
    return _save(images, location, "temp", _COMPRESS_LEVEL, context)


def _save(images: Floats, location: SaveLocation, folder_type: str, compress_level: int, context: Context) -> Result:
    if not images.size:
        raise ValueError(f"there is nothing to save: the images have the shape {list(images.shape)}")
    texts = _texts(context)
    saved: list[JSONObject] = []
    for index, image in enumerate(images):
        name = location.name("png", index)
        picture = io.BytesIO()  # written in one go: each call of the system lets other threads in, and waits for them
        Image.fromarray(to_bytes(image)).save(picture, "PNG", pnginfo=texts, compress_level=compress_level)
        with written(location.folder / name) as path:
            path.write_bytes(picture.getbuffer())
        saved.append({"filename": name, "subfolder": location.subfolder, "type": folder_type})
    return Result(ui={"images": saved})


def _texts(context: Context) -> PngInfo:
    texts = PngInfo()
    for key, value in {"prompt": context.prompt, **context.extra_pnginfo}.items():
        texts.add_text(key, json.dumps(value))
    return texts


_EMBEDDED = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
_DESCRIPTION = "Writes images to files that clients show."

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "SaveImage",
        save_images,
        {
            "images": required("IMAGE", tooltip="What to save, a file for each."),
            "filename_prefix": required(
                "STRING",
                default="ComfyUI",
                tooltip="How file names begin: may hold sub-folders, %width%, %year%, %batch_num% and the like.",
            ),
        },
        (),
        output_node=True,
        category="image",
        display_name="Save Image",
        description=_DESCRIPTION,
        hidden=_EMBEDDED,
    ),
    NodeClass(
        "PreviewImage",
        preview_images,
        {"images": required("IMAGE")},
        (),
        output_node=True,
        category="image",
        display_name="Preview Image",
        description=_DESCRIPTION,
        hidden=_EMBEDDED,
    ),
    NodeClass(
        "MaskPreview",
        preview_mask,
        {"mask": required("MASK")},
        (),
        output_node=True,
        category="mask",
        description=_DESCRIPTION,
        module="comfy_extras.nodes_mask",
        hidden=_EMBEDDED,
    ),
)
