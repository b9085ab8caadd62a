"""Latents: made empty, encoded from pictures, and filled by samplers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from comfypipe.engine.arrays import zeros
from comfypipe.engine.latents.value import Latent
from comfypipe.engine.simulation.call import Call
from comfypipe.engine.simulation.costs import SAMPLE_GB_PER_MEGAPIXEL, STEP_S_PER_MEGAPIXEL
from comfypipe.engine.simulation.families import STABLE_DIFFUSION, Family, family_of, family_of_latent
from comfypipe.engine.simulation.pattern import draw, numbers
from comfypipe.engine.simulation.pictures import Samples, brightness, encode, enlarged
from comfypipe.engine.simulation.stand_in import Hint, digest_of

LENGTHS = ("length", "video_frames", "num_frames", "frame_count", "frames")
_HINT_SHARE = np.float32(0.5)
"""How much a picture shows that went into the conditioning."""


def empty_latent(call: Call) -> Latent:
    """Return the latent that a class makes for the size, and the frames, that it was asked for."""
    family = family_of(call.class_type) or _vae_family(call) or call.family or STABLE_DIFFUSION
    width, height = call.integer("width", default=512), call.integer("height", default=512)
    length = call.integer(*LENGTHS, default=1)
    batch = call.integer("batch_size", default=1)
    cells = (max(1, height // family.factor), max(1, width // family.factor))
    named = "width, height, length"
    if family.frames is None:
        samples = zeros((batch * length, family.channels, *cells), named)
    else:
        samples = zeros((batch, family.channels, (length - 1) // family.frames + 1, *cells), named)
    latent: Latent = {"samples": samples, "simulated": call.mark}
    if family.frames is None and length > 1:
        latent["frames"] = length
    return latent if call.hint is None else latent | {"hint": call.hint}


def encoded(call: Call) -> Latent:
    """Return the latent of the pictures that came in."""
    family = _vae_family(call) or STABLE_DIFFUSION
    latent: Latent = {"samples": encode(call.images[0], family), "simulated": call.mark}
    mask = _mask(call)
    return latent if mask is None else latent | {"noise_mask": mask}


def _vae_family(call: Call) -> Family | None:
    return next((each.family for each in call.of_kind("VAE") if each.family is not None), None)


def _mask(call: Call) -> Samples | None:
    return next((each for each in call.values() if isinstance(each, np.ndarray) and each.ndim == 3), None)


def sample(call: Call) -> Latent:
    """Return what a sampler makes of a latent: a pattern that model, prompts, seed and settings decide."""
    latent = call.latents[0]
    samples: Samples = latent["samples"]
    _take_time(call, samples)
    key = digest_of(call.class_type, {name: value for name, value in call.inputs.items() if value is not latent})
    if samples.ndim not in (4, 5) or latent.get("type") or samples.shape[1] < 3:
        return {**latent, "samples": _noise(samples, key), "simulated": call.mark}
    first = next(iter(call.of_kind("CONDITIONING") or call.of_kind("GUIDER")), None)
    hint = first.hint if first is not None and first.hint is not None else latent.get("hint")
    share = 1.0 if not samples.any() else redrawn(call.inputs, call.inputs.get("sigmas"))
    result = np.array(samples)
    for item in range(len(samples)):
        _fill(result, item, call, latent, key, hint, share)
    return {**latent, "samples": result, "simulated": call.mark}


def redrawn(inputs: Mapping[str, Any], sigmas: Any = None) -> float:
    """Return how much of a latent that is not empty a sampler redraws, 0..1."""
    if isinstance(sigmas, np.ndarray) and sigmas.size:
        levels = np.clip(sigmas, 0, 1)
        return float(max(0.0, levels[0] - levels[-1]))
    if "start_at_step" in inputs:
        steps = max(1, int(inputs.get("steps", 20)))
        return max(0, min(steps, int(inputs.get("end_at_step", steps))) - int(inputs["start_at_step"])) / steps
    return min(1.0, max(0.0, float(inputs.get("denoise", 1.0))))


def _take_time(call: Call, samples: Samples) -> None:
    """Report the steps one by one, each taking its time."""
    family = call.family or STABLE_DIFFUSION
    megapixels = megapixels_of(samples)
    needed_gb = family.size_gb + SAMPLE_GB_PER_MEGAPIXEL * megapixels
    call.costs.check_memory(call.class_type, needed_gb, call.context.circumstances.accelerator)
    steps = steps_of(call)
    seconds = call.costs.seconds_of(call.class_type, steps * STEP_S_PER_MEGAPIXEL * family.effort * megapixels)
    for step in range(1, steps + 1):
        if seconds > 0:
            call.context.pause(seconds / steps)
        call.context.progress(step, steps)


def steps_of(call: Call) -> int:
    """Return how many steps a sampler does."""
    sigmas = call.inputs.get("sigmas")
    if isinstance(sigmas, np.ndarray):
        return max(1, sigmas.size - 1)
    steps = call.integer("steps", default=20)
    first = call.integer("start_at_step", default=0)
    return max(1, min(steps, call.integer("end_at_step", default=steps)) - first)


def megapixels_of(samples: Samples) -> float:
    """Return how many millions of pixels latents stand for, all frames together."""
    if samples.ndim < 4:
        return 0.0
    family = family_of_latent(samples.shape[1], samples.ndim)
    cells = samples.size / samples.shape[1]
    return float(cells * family.factor**2 * (family.frames or 1) / 1e6)


def _fill(result: Samples, item: int, call: Call, latent: Latent, key: bytes, hint: Hint | None, share: float) -> None:
    """Redraw one item of a batch, in place."""
    frames = result.shape[2] if result.ndim == 5 else 1
    of_video = int(latent.get("frames", 0))
    indices = latent.get("batch_index")
    number = item if indices is None or item >= len(indices) else int(indices[item])
    own = digest_of(key, number // of_video if of_video else number)
    palette = call.text.encode() or key
    weights = _weights(latent, result.shape, item, np.float32(share))
    for frame in range(frames):
        moment = number % of_video / max(1, of_video - 1) if of_video else frame / max(1, frames - 1)
        pattern = draw(own, palette, result.shape[-2], result.shape[-1], moment)
        if hint is not None:
            pattern = _resembling(pattern, hint)
        target = result[item, :, frame] if result.ndim == 5 else result[item]
        old = target[:4]
        old += (pattern.transpose(2, 0, 1)[: len(old)] - old) * weights


def _resembling(pattern: Samples, hint: Hint) -> Samples:
    colours = enlarged(hint, *pattern.shape[:2]) * 2 - 1
    seen = np.concatenate([colours, brightness(colours)[..., None]], axis=-1)
    return pattern + (seen - pattern) * _HINT_SHARE


def _weights(latent: Latent, shape: tuple[int, ...], item: int, share: np.float32) -> Samples:
    """Return how much of each cell is redrawn: everything alike, or where the mask is."""
    mask = latent.get("noise_mask")
    if not isinstance(mask, np.ndarray) or mask.ndim < 2 or not mask.size:
        return np.full(shape[-2:], share)
    masks = mask.reshape(-1, *mask.shape[-2:])
    one: Samples = masks[item % len(masks)]
    rows = (np.arange(shape[-2]) * 2 + 1) * one.shape[0] // (2 * shape[-2])
    columns = (np.arange(shape[-1]) * 2 + 1) * one.shape[1] // (2 * shape[-1])
    weights: Samples = one[rows][:, columns].astype(np.float32) * share
    return weights


def _noise(samples: Samples, key: bytes) -> Samples:
    """Return numbers within -1..1, for latents that are no pictures."""
    flat = numbers(key, min(samples.size, 1 << 16)) * 2 - 1
    noise: Samples = np.resize(flat, samples.shape).astype(np.float32)
    return noise
