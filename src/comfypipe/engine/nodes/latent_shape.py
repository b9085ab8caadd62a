"""Nodes that scale, turn, cut and put together latents. Source: ComfyUI 0.3.64."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from comfypipe.engine.latents.bislerp import bislerp
from comfypipe.engine.latents.value import Latent, Samples, samples_of, scale
from comfypipe.engine.pixels.composite import repeat_to
from comfypipe.engine.pixels.resample import margins
from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, number, outputs, required

_CELL = 8
"""Pixels of a side of one cell: sizes are given in pixels."""
_MIN_CELLS = 8
_METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "bislerp")
_TURNS = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}
_AXES = {"x": -1, "y": -2, "t": -3}
# Turning, mirroring and cropping are made for images: of videos they take frames for rows, and rows for columns.


def upscale(samples: Latent, upscale_method: str, width: int, height: int, crop: str) -> tuple[Latent]:
    """Scale to a size in pixels, at least 64 a side; 0 for one side keeps the proportions, for both everything."""
    given = samples_of(samples, "samples", (4, 5))
    rows, columns = given.shape[-2:]
    if not width and not height:
        return (samples,)
    if not width:
        height = max(64, height)
        width = max(64, round(columns * height / rows))
    elif not height:
        width = max(64, width)
        height = max(64, round(rows * width / columns))
    size = (max(64, width) // _CELL, max(64, height) // _CELL)
    return ({**samples, "samples": _scaled(given, size, upscale_method, crop=crop == "center")},)


def upscale_by(samples: Latent, upscale_method: str, scale_by: float) -> tuple[Latent]:
    """Scale by a factor."""
    given = samples_of(samples, "samples", (4, 5))
    rows, columns = given.shape[-2:]
    size = (round(columns * scale_by), round(rows * scale_by))
    return ({**samples, "samples": _scaled(given, size, upscale_method)},)


def _scaled(samples: Samples, size: tuple[int, int], method: str, *, crop: bool = False) -> Samples:
    if method != "bislerp":
        return scale(samples, *size, method, crop=crop)
    trimmed = _trimmed(samples, *size) if crop else samples
    if trimmed.ndim == 4:
        return bislerp(trimmed, *size)
    frames = np.moveaxis(trimmed, 2, 1)  # each frame is an image of its own, with its channels
    return np.ascontiguousarray(np.moveaxis(bislerp(frames, *size), 1, 2))


def _trimmed(samples: Samples, width: int, height: int) -> Samples:
    rows, columns = samples.shape[-2:]
    x, y = margins(columns, rows, width, height)
    return samples[..., y : rows - y, x : columns - x]


def rotate(samples: Latent, rotation: str) -> tuple[Latent]:
    """Turn clockwise by quarters."""
    given = samples_of(samples, "samples", (4, 5))
    return ({**samples, "samples": np.ascontiguousarray(np.rot90(given, _TURNS[rotation], axes=(3, 2)))},)


def flip(samples: Latent, flip_method: str) -> tuple[Latent]:
    """Mirror at the horizontal (x) or the vertical (y) axis."""
    given = samples_of(samples, "samples", (4, 5))
    axis = 2 if flip_method.startswith("x") else 3
    return ({**samples, "samples": np.ascontiguousarray(np.flip(given, axis))},)


def crop(samples: Latent, width: int, height: int, x: int, y: int) -> tuple[Latent]:
    """Cut out a rectangle, in pixels; it begins at least 64 pixels before the ends."""
    given = samples_of(samples, "samples", (4, 5))
    left = min(x // _CELL, given.shape[3] - _MIN_CELLS)
    top = min(y // _CELL, given.shape[2] - _MIN_CELLS)
    rows, columns = slice(top, top + height // _CELL), slice(left, left + width // _CELL)
    return ({**samples, "samples": given[:, :, rows, columns].copy()},)


def concatenate(samples1: Latent, samples2: Latent, dim: str) -> tuple[Latent]:
    """
    Put *samples2* beside (x), below (y) or after (t) *samples1*; before it with a minus.

    Raises:
        ValueError: *dim* is no direction.
        RuntimeError: The other sides differ.
    """
    axis = _axis(dim.removeprefix("-"), dim)
    first, second = samples_of(samples1, "samples1"), samples_of(samples2, "samples2")
    parts = [first, repeat_to(second, len(first))]
    try:
        joined = np.concatenate(parts[::-1] if dim.startswith("-") else parts, axis)
    except ValueError as error:  # numpy's own words do not name the inputs
        raise RuntimeError(f"samples1 and samples2 do not fit along {dim}: {first.shape} and {second.shape}") from error
    return ({**samples1, "samples": joined},)


def cut(samples: Latent, dim: str, index: int, amount: int) -> tuple[Latent]:
    """
    Take *amount* cells from *index* on, which counts from the end where it is negative.

    Raises:
        ValueError: *dim* is no direction.
    """
    axis = _axis(dim, dim)
    given = samples_of(samples, "samples")
    size = given.shape[axis]
    start = min(index, size - 1) if index >= 0 else max(index, -size) + size
    places = np.arange(start, min(start + amount, size))
    return ({**samples, "samples": given.take(places, axis)},)


def _axis(name: str, dim: str) -> int:
    # Of an image, which has no frames, t is the axis of channels: so it is in ComfyUI.
    if name not in _AXES:
        raise ValueError(f"dim: {dim!r}, expected x, y or t")
    return _AXES[name]


def trim_video(samples: Latent, trim_amount: int) -> tuple[Latent]:
    """Drop the first *trim_amount* frames; of an image, which has none, so many rows."""
    return ({**samples, "samples": samples_of(samples, "samples")[:, :, trim_amount:].copy()},)


def _node(
    class_type: str,
    function: Callable[..., tuple[Any, ...]],
    category: str,
    inputs: Mapping[str, InputSpec],
    display_name: str | None = None,
    schema: Literal["v1", "v3"] = "v1",
    module: str = "nodes",
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        inputs,
        outputs("LATENT"),
        schema=schema,
        category=category,
        display_name=display_name,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module=module,
    )


_LATENT = required("LATENT")


def _pixels(default: int, minimum: int) -> InputSpec:
    return integer(default, minimum, 16384, step=8)


NODES: tuple[NodeClass, ...] = (
    _node(
        "LatentUpscale",
        upscale,
        "latent",
        {
            "samples": _LATENT,
            "upscale_method": combo(*_METHODS),
            "width": _pixels(512, 0),
            "height": _pixels(512, 0),
            "crop": combo("disabled", "center"),
        },
        "Upscale Latent",
    ),
    _node(
        "LatentUpscaleBy",
        upscale_by,
        "latent",
        {"samples": _LATENT, "upscale_method": combo(*_METHODS), "scale_by": number(1.5, 0.01, 8.0, step=0.01)},
        "Upscale Latent By",
    ),
    _node(
        "LatentRotate",
        rotate,
        "latent/transform",
        {"samples": _LATENT, "rotation": combo(*_TURNS)},
        "Rotate Latent",
    ),
    _node(
        "LatentFlip",
        flip,
        "latent/transform",
        {"samples": _LATENT, "flip_method": combo("x-axis: vertically", "y-axis: horizontally")},
        "Flip Latent",
    ),
    _node(
        "LatentCrop",
        crop,
        "latent/transform",
        {
            "samples": _LATENT,
            "width": _pixels(512, 64),
            "height": _pixels(512, 64),
            "x": _pixels(0, 0),
            "y": _pixels(0, 0),
        },
        "Crop Latent",
    ),
    _node(
        "LatentConcat",
        concatenate,
        "latent/advanced",
        {"samples1": _LATENT, "samples2": _LATENT, "dim": combo("x", "-x", "y", "-y", "t", "-t")},
        schema="v3",
        module="comfy_extras.nodes_latent",
    ),
    _node(
        "LatentCut",
        cut,
        "latent/advanced",
        {
            "samples": _LATENT,
            "dim": combo(*_AXES),
            "index": integer(0, -16384, 16384, step=1),
            "amount": integer(1, 1, 16384, step=1),
        },
        schema="v3",
        module="comfy_extras.nodes_latent",
    ),
    _node(
        "TrimVideoLatent",
        trim_video,
        "latent/video",
        {"samples": _LATENT, "trim_amount": integer(0, 0, 99999)},
        schema="v3",
        module="comfy_extras.nodes_wan",
    ),
)
