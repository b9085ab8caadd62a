"""Nodes on batches of latents: join, repeat, pick, group anew. Source: ComfyUI 0.3.64."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.latents.value import Latent, Samples, fit_size, samples_of
from comfypipe.engine.pixels.composite import repeat_to
from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, outputs, required

_CELL = 8
"""Pixels of a noise mask for one cell of the latent."""


def join(samples1: Latent, samples2: Latent) -> tuple[Latent]:
    """
    Put *samples2* behind *samples1*, scaled to the same size.

    Raises:
        RuntimeError: Channels, frames or ranks differ.
    """
    first, second = samples_of(samples1, "samples1"), samples_of(samples2, "samples2")
    indices = _indices(samples1) + _indices(samples2)
    return ({**samples1, "samples": np.concatenate([first, fit_size(second, first)]), "batch_index": indices},)


def repeat(samples: Latent, amount: int) -> tuple[Latent]:
    """Repeat the whole batch *amount* times; noise masks and indices go with it."""
    given = samples_of(samples, "samples")
    repeated: Latent = {**samples, "samples": np.concatenate([given] * amount)}
    if "noise_mask" in samples and len(samples["noise_mask"]) > 1:  # a single one holds for every item
        repeated["noise_mask"] = np.concatenate([_repeated_up_to(samples["noise_mask"], len(given))] * amount)
    if indices := samples.get("batch_index"):
        offset = max(indices) - min(indices) + 1
        repeated["batch_index"] = [index + number * offset for number in range(amount) for index in indices]
    return (repeated,)


def pick(samples: Latent, batch_index: int, length: int) -> tuple[Latent]:
    """Take *length* items from *batch_index* on, as far as there are any."""
    given = samples_of(samples, "samples")
    start = min(len(given) - 1, batch_index)
    chosen = slice(start, start + min(len(given) - start, length))
    picked: Latent = {**samples, "samples": given[chosen].copy(), "batch_index": _indices(samples)[chosen]}
    if "noise_mask" in samples:
        masks = samples["noise_mask"]
        picked["noise_mask"] = masks if len(masks) == 1 else repeat_to(masks, max(len(masks), len(given)))[chosen]
    return (picked,)


def set_seed_behavior(samples: Latent, seed_behavior: str) -> tuple[Latent]:
    """Say whether samplers draw noise anew for every item (random), or the first one's for all (fixed)."""
    given = samples_of(samples, "samples")
    if seed_behavior == "fixed":
        return ({**samples, "batch_index": [samples.get("batch_index", [0])[0]] * len(given)},)
    return ({key: value for key, value in samples.items() if key != "batch_index"},)


def rebatch(latents: Sequence[Latent], batch_size: Sequence[int]) -> tuple[list[Latent]]:
    """
    Group the items of several latents into batches of *batch_size*; items of another size begin a new one.

    Raises:
        RuntimeError: Noise masks of latents that are put together are of unlike sizes.
    """
    items: list[tuple[Samples, NDArray[np.float32], list[int]]] = []
    groups: list[Latent] = []
    count = 0
    for latent in latents:
        samples = samples_of(latent, "latents", (4, 5))
        entry = (samples, _masks(latent, samples), _indices(latent, count))
        if items and items[0][0].shape[1:] != samples.shape[1:]:
            groups += _grouped(items, batch_size[0])
            items = []
        items.append(entry)
        count += len(entry[2])
    return (groups + _grouped(items, batch_size[0]),)


def _grouped(items: list[tuple[Samples, NDArray[np.float32], list[int]]], size: int) -> list[Latent]:
    if not items:
        return []
    samples = np.concatenate([item[0] for item in items])
    try:
        masks = np.concatenate([item[1] for item in items])
    except ValueError as error:  # numpy's own words do not name the input
        shapes = ", ".join(str(item[1].shape) for item in items)
        raise RuntimeError(f"latents: their noise masks are of unlike sizes: {shapes}") from error
    indices = [index for item in items for index in item[2]]
    groups: list[Latent] = []
    for begin in range(0, len(samples), size):
        part = slice(begin, begin + size)
        group: Latent = {"samples": samples[part]}
        if (masks[part] != 1).any():
            group["noise_mask"] = masks[part]
        groups.append({**group, "batch_index": indices[part]})
    return groups


def _masks(latent: Latent, samples: Samples) -> NDArray[np.float32]:
    height, width = (side * _CELL for side in samples.shape[-2:])
    if "noise_mask" not in latent:
        return np.ones((len(samples), 1, height, width), np.float32)
    return _repeated_up_to(latent["noise_mask"], len(samples))


def _repeated_up_to(masks: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    # More masks than items stay: that is what ComfyUI does, however little use they are.
    return repeat_to(masks, max(len(masks), count))


def _indices(latent: Latent, start: int = 0) -> list[int]:
    size = len(latent["samples"])
    return list(latent.get("batch_index", range(start, start + size)))


def _node(
    class_type: str,
    function: Callable[..., tuple[Any, ...]],
    inputs: Mapping[str, InputSpec],
    schema: Literal["v1", "v3"] = "v1",
    module: str = "nodes",
    category: str = "latent/batch",
    **options: Any,
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        inputs,
        outputs("LATENT", is_list=function is rebatch),
        schema=schema,
        category=category,
        module=module,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        **options,
    )


_LATENT = required("LATENT")

NODES: tuple[NodeClass, ...] = (
    _node("LatentBatch", join, {"samples1": _LATENT, "samples2": _LATENT}, "v3", "comfy_extras.nodes_latent"),
    _node(
        "RepeatLatentBatch",
        repeat,
        {"samples": _LATENT, "amount": integer(1, 1, 64)},
        display_name="Repeat Latent Batch",
    ),
    _node(
        "LatentFromBatch",
        pick,
        {"samples": _LATENT, "batch_index": integer(0, 0, 63), "length": integer(1, 1, 64)},
        display_name="Latent From Batch",
    ),
    _node(
        "LatentBatchSeedBehavior",
        set_seed_behavior,
        {"samples": _LATENT, "seed_behavior": combo("random", "fixed", default="fixed")},
        "v3",
        "comfy_extras.nodes_latent",
        "latent/advanced",
    ),
    _node(
        "RebatchLatents",
        rebatch,
        {"latents": _LATENT, "batch_size": integer(1, 1, 4096)},
        "v3",
        "comfy_extras.nodes_rebatch",
        display_name="Rebatch Latents",
        input_is_list=True,
    ),
)
