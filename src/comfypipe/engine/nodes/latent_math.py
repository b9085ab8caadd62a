"""Nodes that compute with latents: add, blend, paste, tone-map, sharpen. Source: ComfyUI 0.3.64."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.latents.operations import LatentOperation, Sharpen, TonemapReinhard
from comfypipe.engine.latents.value import Latent, Samples, fit, samples_of, scale
from comfypipe.engine.pixels.composite import composite as paste_images
from comfypipe.engine.pixels.resample import resize
from comfypipe.engine.registry import InputSpec, NodeClass, integer, number, optional, outputs, required

_CELL = 8
"""Pixels of a side of one cell: places are given in pixels."""


def add(samples1: Latent, samples2: Latent) -> tuple[Latent]:
    """Add *samples2*, scaled and repeated to *samples1*."""
    first, second = _pair(samples1, samples2)
    return ({**samples1, "samples": first + second},)


def subtract(samples1: Latent, samples2: Latent) -> tuple[Latent]:
    """Subtract *samples2*, scaled and repeated to *samples1*."""
    first, second = _pair(samples1, samples2)
    return ({**samples1, "samples": first - second},)


def multiply(samples: Latent, multiplier: float) -> tuple[Latent]:
    """Multiply by a number."""
    return ({**samples, "samples": samples_of(samples, "samples") * np.float32(multiplier)},)


def interpolate(samples1: Latent, samples2: Latent, ratio: float) -> tuple[Latent]:
    """
    Interpolate directions and magnitudes apart; *ratio* is the weight of *samples1*.

    Raises:
        RuntimeError: Several items, but not as many as channels: see `_length`.
    """
    first, second = _pair(samples1, samples2)
    if len(first) not in (1, first.shape[1]):
        items, channels = first.shape[:2]
        raise RuntimeError(f"samples1: {items} items of {channels} channels, expected one item, or as many as channels")
    share, rest = np.float32(ratio), np.float32(1.0 - ratio)
    lengths = _length(first), _length(second)
    mixed = _divided(first, lengths[0]) * share + _divided(second, lengths[1]) * rest
    direction = _divided(mixed, _length(mixed))
    return ({**samples1, "samples": direction * (lengths[0] * share + lengths[1] * rest)},)


def _pair(samples1: Latent, samples2: Latent) -> tuple[Samples, Samples]:
    first = samples_of(samples1, "samples1")
    return first, fit(samples_of(samples2, "samples2"), first)


def _length(samples: Samples) -> Samples:
    # ComfyUI drops the axis of channels, so lengths of several items meet channels of the same number in what follows.
    return np.asarray(np.sqrt(np.square(samples).sum(axis=1)))


def _divided(samples: Samples, length: Samples) -> Samples:
    return np.divide(samples, length, out=np.zeros_like(samples), where=np.broadcast_to(length != 0, samples.shape))


def blend(samples1: Latent, samples2: Latent, blend_factor: float) -> tuple[Latent]:
    """
    Mix two latents; *blend_factor* is the weight of *samples1*.

    Raises:
        RuntimeError: Batches or channels do not fit.
    """
    first, second = samples_of(samples1, "samples1"), samples_of(samples2, "samples2")
    if first.shape != second.shape and first.ndim == second.ndim == 4:
        second = scale(second, first.shape[3], first.shape[2], "bicubic", crop=True)
    try:
        mixed = first * np.float32(blend_factor) + second * np.float32(1 - blend_factor)
    except ValueError as error:  # numpy's own words do not name the inputs
        raise RuntimeError(f"samples1 and samples2 do not fit: {first.shape} and {second.shape}") from error
    return ({**samples1, "samples": mixed},)


def composite(samples_to: Latent, samples_from: Latent, x: int, y: int, feather: int) -> tuple[Latent]:
    """
    Paste a latent into another at a place in pixels, with edges that fade in over *feather* pixels.

    Raises:
        RuntimeError: What is seen of it is of another size than the place; batches or channels do not fit.
    """
    target = samples_of(samples_to, "samples_to", (4, 5)).copy()
    source = samples_of(samples_from, "samples_from", (4, 5))
    left, top = x // _CELL, y // _CELL
    window = target[:, :, top : top + source.shape[2], left : left + source.shape[3]]
    # Beyond the target these ends are negative and count from the source's end, as ComfyUI's do: nothing is pasted if
    # nothing is left then.
    seen = (slice(target.shape[2] - top), slice(target.shape[3] - left))
    visible = source[:, :, *seen]
    if not _fits(visible.shape, window.shape):
        raise RuntimeError(f"samples_from {source.shape} does not fit into samples_to {target.shape} at {left}, {top}")
    if feather >= _CELL:
        weight = _feathered(source.shape[2:4], target.shape[2:4], (top, left), feather // _CELL)[seen]
        weight = weight[..., None] if source.ndim == 5 else weight
        visible = visible * weight + window * (np.float32(1) - weight)
    window[...] = visible
    return ({**samples_to, "samples": target},)


def _fits(shape: tuple[int, ...], place: tuple[int, ...]) -> bool:
    return len(shape) == len(place) and all(size in (1, room) for size, room in zip(shape, place, strict=True))


def _feathered(
    size: tuple[int, ...], target: tuple[int, ...], place: tuple[int, int], feather: int
) -> NDArray[np.float32]:
    """Return weights that rise from the edges inwards, but for edges that lie at the border of the target."""
    rows, columns = (
        _feathered_line(length, feather, before=start > 0, after=start + length < limit)
        for length, limit, start in zip(size, target, place, strict=True)
    )
    return rows[:, None] * columns


def _feathered_line(size: int, feather: int, *, before: bool, after: bool) -> NDArray[np.float32]:
    line = np.ones(size, np.float32)
    for step in range(feather):
        share = np.float32((1.0 / feather) * (step + 1))
        if before:
            line[step : step + 1] *= share
        if after:  # steps beyond the first cell come round from the end, as slices do and ComfyUI's result shows
            line[size - 1 - step : size - step] *= share
    return line


def composite_masked(
    destination: Latent,
    source: Latent,
    x: int,
    y: int,
    resize_source: bool,
    mask: NDArray[np.float32] | None = None,
) -> tuple[Latent]:
    """Paste a latent into another at a place in pixels, through a mask."""
    target = _as_images(samples_of(destination, "destination", (4,)))
    pasted = _as_images(samples_of(source, "source", (4,)))
    if resize_source:
        pasted = resize(pasted, target.shape[2], target.shape[1], "bilinear")
    mixed = paste_images(target, pasted, x // _CELL, y // _CELL, None if mask is None else _as_masks(mask))
    return ({**destination, "samples": np.ascontiguousarray(np.moveaxis(mixed, 3, 1))},)


def _as_images(samples: Samples) -> Samples:
    return np.moveaxis(samples, 1, 3)


def _as_masks(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    return mask.reshape(-1, *mask.shape[-2:])


def set_noise_mask(samples: Latent, mask: NDArray[np.float32]) -> tuple[Latent]:
    """Say where samplers may change a latent; SaveLatent does not keep it."""
    samples_of(samples, "samples")
    return ({**samples, "noise_mask": mask.reshape(-1, 1, *mask.shape[-2:])},)


def apply_operation(samples: Latent, operation: LatentOperation) -> tuple[Latent]:
    """Apply an operation that another node made."""
    return ({**samples, "samples": operation(samples_of(samples, "samples", (4, 5)))},)


def tonemap(multiplier: float) -> tuple[LatentOperation]:
    """Make an operation that compresses large magnitudes (Reinhard)."""
    return (TonemapReinhard(multiplier),)


def sharpen(sharpen_radius: int, sigma: float, alpha: float) -> tuple[LatentOperation]:
    """Make an operation that sharpens."""
    return (Sharpen(sharpen_radius, sigma, alpha),)


def _node(
    class_type: str,
    function: Callable[..., tuple[Any, ...]],
    category: str,
    inputs: Mapping[str, InputSpec],
    schema: Literal["v1", "v3"] = "v3",
    module: str = "comfy_extras.nodes_latent",
    output: str = "LATENT",
    **options: Any,
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        inputs,
        outputs(output),
        schema=schema,
        category=category,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module=module,
        **options,
    )


_LATENT = required("LATENT")
_PLACE = integer(0, 0, 16384, step=8)
_OPERATIONS = "latent/advanced/operations"

NODES: tuple[NodeClass, ...] = (
    _node("LatentAdd", add, "latent/advanced", {"samples1": _LATENT, "samples2": _LATENT}),
    _node("LatentSubtract", subtract, "latent/advanced", {"samples1": _LATENT, "samples2": _LATENT}),
    _node(
        "LatentMultiply",
        multiply,
        "latent/advanced",
        {"samples": _LATENT, "multiplier": number(1.0, -10.0, 10.0, step=0.01)},
    ),
    _node(
        "LatentInterpolate",
        interpolate,
        "latent/advanced",
        {"samples1": _LATENT, "samples2": _LATENT, "ratio": number(1.0, 0.0, 1.0, step=0.01)},
    ),
    _node(
        "LatentBlend",
        blend,
        "_for_testing",
        {"samples1": _LATENT, "samples2": _LATENT, "blend_factor": number(0.5, 0, 1, step=0.01)},
        "v1",
        "nodes",
        display_name="Latent Blend",
    ),
    _node(
        "LatentComposite",
        composite,
        "latent",
        {"samples_to": _LATENT, "samples_from": _LATENT, "x": _PLACE, "y": _PLACE, "feather": _PLACE},
        "v1",
        "nodes",
        display_name="Latent Composite",
    ),
    _node(
        "LatentCompositeMasked",
        composite_masked,
        "latent",
        {
            "destination": _LATENT,
            "source": _LATENT,
            "x": _PLACE,
            "y": _PLACE,
            "resize_source": required("BOOLEAN", default=False),
            "mask": optional("MASK"),
        },
        "v1",
        "comfy_extras.nodes_mask",
    ),
    _node(
        "SetLatentNoiseMask",
        set_noise_mask,
        "latent/inpaint",
        {"samples": _LATENT, "mask": required("MASK")},
        "v1",
        "nodes",
        display_name="Set Latent Noise Mask",
    ),
    _node(
        "LatentApplyOperation",
        apply_operation,
        _OPERATIONS,
        {"samples": _LATENT, "operation": required("LATENT_OPERATION")},
        experimental=True,
    ),
    _node(
        "LatentOperationTonemapReinhard",
        tonemap,
        _OPERATIONS,
        {"multiplier": number(1.0, 0.0, 100.0, step=0.01)},
        output="LATENT_OPERATION",
        experimental=True,
    ),
    _node(
        "LatentOperationSharpen",
        sharpen,
        _OPERATIONS,
        {
            "sharpen_radius": integer(9, 1, 31, step=1),
            "sigma": number(1.0, 0.1, 10.0, step=0.1),
            "alpha": number(0.1, 0.0, 5.0, step=0.01),
        },
        output="LATENT_OPERATION",
        experimental=True,
    ),
)
