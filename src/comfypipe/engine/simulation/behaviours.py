"""What simulated classes do: most pass on what came in, a few are known better."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from comfypipe.engine.arrays import check_size
from comfypipe.engine.latents.value import samples_of
from comfypipe.engine.pixels.resample import resize
from comfypipe.engine.registry import Result
from comfypipe.engine.simulation import costs
from comfypipe.engine.simulation.call import Call
from comfypipe.engine.simulation.families import STABLE_DIFFUSION, family_of_latent
from comfypipe.engine.simulation.latents import encoded, megapixels_of, sample
from comfypipe.engine.simulation.pictures import decode
from comfypipe.engine.simulation.placeholders import placeholder
from comfypipe.engine.simulation.saving import save
from comfypipe.engine.simulation.sound import RATE_HZ, melody
from comfypipe.engine.simulation.stamp import Mark, stamp
from comfypipe.engine.simulation.stand_in import digest_of

Behaviour: TypeAlias = Callable[[Call], "tuple[Any, ...] | Result"]


def behaviour_of(call: Call) -> Behaviour:
    """Return what a class does: by its name, else by what came in and what is asked for."""
    known = _KNOWN.get(call.class_type)
    if known is not None:
        return known
    if call.declaration.output_node:
        return _save
    return _sample if _is_sampler(call) else _generic


def _is_sampler(call: Call) -> bool:
    gives_latents = any(each.type == "LATENT" for each in call.declaration.outputs)
    guided = bool(call.of_kind("GUIDER")) or bool(call.of_kind("MODEL") and call.of_kind("CONDITIONING"))
    return gives_latents and guided and bool(call.latents)


def _generic(call: Call) -> tuple[Any, ...]:
    family = call.family or STABLE_DIFFUSION
    if call.files:
        call.spend(costs.LOAD_S_PER_GB * family.size_gb)
    else:
        call.spend(costs.ENCODE_TEXT_S if call.of_kind("CLIP") else 0.0)
    return tuple(placeholder(call, index) for index in range(len(call.declaration.outputs)))


def _sample(call: Call) -> tuple[Any, ...]:
    latent = sample(call)
    return tuple(
        latent if spec.type == "LATENT" else placeholder(call, index)
        for index, spec in enumerate(call.declaration.outputs)
    )


def _save(call: Call) -> Result:
    outputs = tuple(placeholder(call, index) for index in range(len(call.declaration.outputs)))
    call.spend(0.0)
    return Result(outputs, save(call))


def _decode(call: Call) -> tuple[Any, ...]:
    """Return the pictures of a latent, with the mark of the sampler that made it."""
    latent = call.inputs["samples"]
    samples = samples_of(latent, "samples", (4, 5))
    if not samples.size:
        raise ValueError(f"samples: there is nothing to decode in samples of the shape {list(samples.shape)}")
    vae = next(iter(call.of_kind("VAE")), None)
    family = family_of_latent(samples.shape[1], samples.ndim, None if vae is None else vae.family)
    megapixels = megapixels_of(samples)
    call.spend(costs.DECODE_S_PER_MEGAPIXEL * megapixels, 1 + costs.DECODE_GB_PER_MEGAPIXEL * megapixels)
    mark = latent.get("simulated")
    return (decode(samples, family, mark if isinstance(mark, Mark) else call.mark, call.context.progress),)


def _encode(call: Call) -> tuple[Any, ...]:
    pixels = call.inputs["pixels"]
    megapixels = pixels.size / 3e6
    call.spend(costs.DECODE_S_PER_MEGAPIXEL * megapixels, 1 + costs.DECODE_GB_PER_MEGAPIXEL * megapixels)
    return (encoded(call),)


def _inpaint(call: Call) -> tuple[Any, ...]:
    latent = encoded(call)
    if not call.inputs.get("noise_mask", True):
        latent.pop("noise_mask", None)
    return tuple(
        latent if spec.type == "LATENT" else placeholder(call, index)
        for index, spec in enumerate(call.declaration.outputs)
    )


def _upscale(call: Call) -> tuple[Any, ...]:
    """Enlarge the pictures, for real (Lanczos): only the detail that a model would invent is not there."""
    images = call.inputs["image"][..., :3]
    scale = next((each.scale for each in call.of_kind("UPSCALE_MODEL")), 4)
    count, height, width = images.shape[:3]
    shape = (count, height * scale, width * scale, 3)
    check_size(shape, "image")
    megapixels = shape[1] * shape[2] / 1e6
    call.spend(costs.UPSCALE_S_PER_MEGAPIXEL * megapixels * count, 0.5 + costs.SAMPLE_GB_PER_MEGAPIXEL * megapixels)
    result = np.empty(shape, np.float32)
    for index in range(count):
        result[index] = resize(images[index : index + 1], shape[2], shape[1], "lanczos")[0]
        stamp(result[index], call.mark, f"{index + 1} of {count}" if count > 1 else "")
        call.context.progress(index + 1, count)
    return (result,)


def _decode_audio(call: Call) -> tuple[Any, ...]:
    """Return sound as long as the latent says: Stable Audio's, or ACE-Step's with its two dimensions."""
    latent = call.inputs["samples"]
    samples = samples_of(latent, "samples", (3, 4))
    count = samples.shape[-1] * (2048 if samples.ndim == 3 else 512 * 8)
    call.spend(costs.ENCODE_TEXT_S)
    return (melody(digest_of(latent["samples"]), count / RATE_HZ, len(samples)),)


def _encode_audio(call: Call) -> tuple[Any, ...]:
    waveform, rate_hz = call.inputs["audio"]["waveform"], call.inputs["audio"]["sample_rate"]
    length = max(1, round(waveform.shape[-1] / rate_hz * RATE_HZ / 2048))
    call.spend(costs.ENCODE_TEXT_S)
    return ({"samples": np.zeros((len(waveform), 64, length), np.float32), "type": "audio", "simulated": call.mark},)


def _trimmed(call: Call) -> tuple[Any, ...]:
    """As any class, but nothing is to be cut off in the end, except a reference picture."""
    extra = 1 if call.inputs.get("reference_image") is not None else 0
    return tuple(
        extra if spec.type == "INT" and spec.name.startswith("trim_latent") else value
        for spec, value in zip(call.declaration.outputs, _generic(call), strict=True)
    )


_KNOWN: Mapping[str, Behaviour] = {
    "VAEDecode": _decode,
    "VAEDecodeTiled": _decode,
    "VAEEncode": _encode,
    "VAEEncodeTiled": _encode,
    "VAEEncodeForInpaint": _encode,
    "InpaintModelConditioning": _inpaint,
    "InstructPixToPixConditioning": _inpaint,
    "ImageUpscaleWithModel": _upscale,
    "VAEDecodeAudio": _decode_audio,
    "VAEEncodeAudio": _encode_audio,
    "WanVaceToVideo": _trimmed,
}
"""Classes of which more is known than their declaration tells."""
