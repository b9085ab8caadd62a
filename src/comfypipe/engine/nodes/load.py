"""Nodes that read image files. Source: ComfyUI ``nodes.py``, ``nodes_webcam``, ``nodes_train`` (0.3.64)."""

from pathlib import Path

import numpy as np
from PIL import Image

from comfypipe.engine.arrays import check_size
from comfypipe.engine.loading import file_digest, is_file, locate, resolve_file
from comfypipe.engine.pixels.decode import Frame, read_channel, read_color, read_frames
from comfypipe.engine.pixels.values import Floats, from_bytes
from comfypipe.engine.registry import (
    Context,
    Folders,
    InputSpec,
    NodeClass,
    combo,
    files,
    integer,
    outputs,
    required,
    subfolders,
)

_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".ico", ".ppm")
_FOLDER_IMAGES = (".png", ".jpg", ".jpeg", ".webp")
_NO_ALPHA_SIDE = 64
"""Side of the empty mask that stands for a file without transparency."""


def load_image(image: str, context: Context) -> tuple[Floats, Floats]:
    """
    Load all frames of an image file.

    Returns:
        Images (frame, height, width, 3), and masks that are 1 where the file is transparent: 64 x 64 zeros where no
        frame has transparency.
    """
    frames = read_frames(resolve_file(image, context.folders))
    masks = _masks(frames)
    images = np.empty((len(frames), *frames[0].color.shape), np.float32)
    for target in images:  # each frame is let go when it was copied, so that there are never two batches
        from_bytes(frames.pop(0).color, target)
    return images, masks


def _masks(frames: list[Frame]) -> Floats:
    if all(each.alpha is None for each in frames):
        return np.zeros((len(frames), _NO_ALPHA_SIDE, _NO_ALPHA_SIDE), np.float32)
    masks = np.zeros((len(frames), *frames[0].color.shape[:2]), np.float32)
    for target, each in zip(masks, frames, strict=True):
        if each.alpha is not None:
            np.subtract(1, from_bytes(each.alpha, target), out=target)
    return masks


def load_image_mask(image: str, channel: str, context: Context) -> tuple[Floats]:
    """Load one channel of a file's first frame as a mask; alpha inverted, so that 1 is transparent."""
    values = from_bytes(read_channel(resolve_file(image, context.folders), channel[0].upper()))
    return ((1 - values if channel == "alpha" else values)[None],)


def capture(
    image: str,
    width: int,  # noqa: ARG001  the front end's
    height: int,  # noqa: ARG001  the front end's
    capture_on_queue: bool,  # noqa: ARG001  the front end's
    context: Context,
) -> tuple[Floats]:
    """Load the picture that the front end took and uploaded."""
    return (load_image(image, context)[0],)


def load_folder(folder: str, context: Context, resize_method: str = "None") -> tuple[Floats]:
    """
    Load all images of a folder below ``input``, by name.

    Args:
        folder: Its name.
        context: Knows the folders.
        resize_method: How images are made as large as the first: ``Stretch`` and ``Pad`` resample, ``Crop`` cuts at the
            right and bottom and fills up with black.

    Raises:
        ValueError: The folder holds no images, too many, or images of unlike sizes without a method.
    """
    paths = sorted(each for each in locate(folder, context.folders).iterdir() if _is_listed(each))
    if not paths:
        raise ValueError(f"no images ({', '.join(_FOLDER_IMAGES)}) in the folder {folder!r}")
    first = read_color(paths[0])
    shape = (len(paths), first.height, first.width, 3)
    check_size(shape, f"folder {folder}")
    images = np.empty(shape, np.float32)
    for index, (path, target) in enumerate(zip(paths, images, strict=True)):
        picture = _fit(read_color(path), first.size, resize_method, path.name) if index else first
        from_bytes(np.asarray(picture), target)
        context.progress(index + 1, len(paths))
    return (images,)


def _is_listed(path: Path) -> bool:
    return path.suffix.lower() in _FOLDER_IMAGES


def _fit(image: Image.Image, size: tuple[int, int], method: str, name: str) -> Image.Image:
    if image.size == size:
        return image
    if method in ("Stretch", "Pad"):
        return image.resize(size, Image.Resampling.LANCZOS)
    if method == "Crop":
        return image.crop((0, 0, *size))
    raise ValueError(f"{name} is {image.size}, the folder's first image {size} pixels: choose a resize_method")


def _check_image(image: str, folders: Folders) -> str | None:
    return None if is_file(image, folders) else f"Invalid image file: {image}"


def _digest(image: str, folders: Folders, **_others: object) -> str:
    return file_digest(resolve_file(image, folders))


def _listing(folder: str, folders: Folders, **_others: object) -> list[str]:
    return [
        f"{each.name} {file_digest(each)}" for each in sorted(locate(folder, folders).iterdir()) if _is_listed(each)
    ]


_IMAGE_AND_MASK = outputs("IMAGE", "MASK")

NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "LoadImage",
        load_image,
        {"image": files("", *_IMAGES, image_upload=True)},
        _IMAGE_AND_MASK,
        category="image",
        display_name="Load Image",
        validate=_check_image,
        fingerprint=_digest,
    ),
    NodeClass(
        "LoadImageMask",
        load_image_mask,
        {"image": files("", image_upload=True), "channel": combo("alpha", "red", "green", "blue")},
        outputs("MASK"),
        category="mask",
        display_name="Load Image (as Mask)",
        validate=_check_image,
        fingerprint=_digest,
    ),
    NodeClass(
        "LoadImageOutput",
        load_image,
        {
            "image": required(
                "COMBO",
                image_upload=True,
                image_folder="output",
                remote={
                    "route": "/internal/files/output",
                    "refresh_button": True,
                    "control_after_refresh": "first",
                },
            )
        },
        _IMAGE_AND_MASK,
        category="image",
        display_name="Load Image (from Outputs)",
        description="Loads an image that was saved earlier; refreshing its list chooses the newest.",
        experimental=True,
        validate=_check_image,
        fingerprint=_digest,
    ),
    NodeClass(
        "WebcamCapture",
        capture,
        {
            "image": InputSpec("WEBCAM", always_options=True),
            "width": integer(0, 0, 16384, step=1),
            "height": integer(0, 0, 16384, step=1),
            "capture_on_queue": required("BOOLEAN", default=True),
        },
        outputs("IMAGE"),
        category="image",
        display_name="Webcam Capture",
        module="comfy_extras.nodes_webcam",
        validate=_check_image,
        fingerprint=_digest,
    ),
    NodeClass(
        "LoadImageSetFromFolderNode",
        load_folder,
        {
            "folder": subfolders("", tooltip="Which folder below input to read."),
            "resize_method": InputSpec(("None", "Stretch", "Crop", "Pad"), {"default": "None"}, optional=True),
        },
        outputs("IMAGE"),
        category="loaders",
        display_name="Load Image Dataset from Folder",
        description="Loads all images of a folder as one batch.",
        module="comfy_extras.nodes_train",
        experimental=True,
        fingerprint=_listing,
    ),
)
