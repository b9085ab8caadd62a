"""Placeholders by type, for outputs of any class: only what is declared is known of it."""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from html import escape
from typing import Any

import numpy as np

from comfypipe.engine.arrays import check_size
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import OutputSpec
from comfypipe.engine.simulation.call import Call
from comfypipe.engine.simulation.clip import PlaceholderVideo
from comfypipe.engine.simulation.families import STABLE_DIFFUSION
from comfypipe.engine.simulation.latents import LENGTHS, empty_latent, encoded
from comfypipe.engine.simulation.pattern import numbers
from comfypipe.engine.simulation.pictures import draw_picture
from comfypipe.engine.simulation.sound import melody
from comfypipe.engine.simulation.stamp import stamp
from comfypipe.engine.simulation.stand_in import StandIn, digest_of
from comfypipe.engine.vector import Svg

_SIDE = 1024
"""Pixels of a picture of which nothing tells the size."""
_INPUT_SHARE = np.float32(0.62)
"""How much a picture shows of the one that it was made from."""
_SECONDS = 5.0
_FPS = 8


def placeholder(call: Call, index: int) -> Any:
    """Return a value for one output slot."""
    spec = call.declaration.outputs[index]
    kinds = spec.type.split(",")  # of a union, the first that is more than a stand-in will do
    make = next((_MAKERS[kind] for kind in kinds if kind in _MAKERS), _stand_in)
    value = make(call, index, spec)
    return [value] if spec.is_list else value


def _stand_in(call: Call, index: int, spec: OutputSpec) -> Any:
    """Return a stand-in that carries on what came in; the second of a type carries on the second of it."""
    before = _before(call, index, spec)
    parent = before if isinstance(before, StandIn) else None
    own_text = call.text if parent is None or spec.type != "CONDITIONING" or _encodes(call) else parent.text
    return StandIn(
        spec.type,
        call.class_type,
        digest_of(call.digest, index),
        family=call.family if parent is None or parent.family is None else parent.family,
        text=own_text,
        seed=call.seed,
        scale=_scale(call) if spec.type == "UPSCALE_MODEL" else 1,
        hint=call.hint,
        files=call.files,
    )


def _encodes(call: Call) -> bool:
    return bool(call.of_kind("CLIP"))


def _before(call: Call, index: int, spec: OutputSpec) -> StandIn | None:
    same = call.of_kind(spec.type)
    place = sum(each.type == spec.type for each in call.declaration.outputs[:index])
    return same[min(place, len(same) - 1)] if same else None


def _scale(call: Call) -> int:
    """Return by how much an upscaler enlarges, which its file's name tells: ``4x…``, ``…_x2plus``; else four times."""
    for name in call.files:
        if match := re.search(r"(?:^|[^0-9a-z])(?:(\d)x|x(\d))", name.lower()):
            return max(1, int(match[1] or match[2]))
    return 4


def _images(call: Call, index: int, _spec: OutputSpec) -> Floats:
    """Return pictures of the size that came in or was asked for; those that came in show through."""
    given = call.images[0] if call.images else None
    count, height, width = given.shape[:3] if given is not None else (_count(call), *_size(call))
    check_size((count, height, width, 3), "width, height")
    pictures = np.empty((count, height, width, 3), np.float32)
    key, palette = digest_of(call.digest, index), call.text.encode() or call.digest
    for item in range(count):
        pictures[item] = draw_picture(digest_of(key, item), palette, height, width)
        if given is not None:
            shown = given[item, ..., :3] if given.shape[-1] >= 3 else given[item, ..., :1]
            pictures[item] += (shown - pictures[item]) * _INPUT_SHARE
        stamp(pictures[item], call.mark, f"{item + 1} of {count}" if count > 1 else "")
        call.context.progress(item + 1, count)
    return pictures


def _count(call: Call) -> int:
    return max(1, min(4096, call.integer("batch_size", "n", "num_images", "numberOfImages", *LENGTHS, default=1)))


def _size(call: Call) -> tuple[int, int]:
    """Return height and width that were asked for: as numbers, as ``1024x768``, as proportions."""
    if call.latents and call.latents[0]["samples"].ndim > 3:
        height, width = call.latents[0]["samples"].shape[-2:]
        return height * STABLE_DIFFUSION.factor, width * STABLE_DIFFUSION.factor
    for value in call.inputs.values():
        if isinstance(value, str) and (match := re.search(r"\b(\d{2,4})\s*[x*\u00d7]\s*(\d{2,4})\b", value[:40])):
            return int(match[2]), int(match[1])
    width, height = call.integer("width", default=0), call.integer("height", default=0)
    if width > 0 and height > 0:
        return height, width
    return _proportioned(next((str(call.inputs[name]) for name in _RATIOS if name in call.inputs), ""))


_RATIOS = ("aspect_ratio", "ratio", "aspect")


def _proportioned(ratio: str) -> tuple[int, int]:
    match = re.search(r"(\d+(?:\.\d+)?)\s*[:/]\s*(\d+(?:\.\d+)?)", ratio)
    across, down = (float(match[1]), float(match[2])) if match else (1.0, 1.0)
    if not across or not down:
        return _SIDE, _SIDE
    longer = max(across, down)
    return max(64, round(_SIDE * down / longer / 8) * 8), max(64, round(_SIDE * across / longer / 8) * 8)


def _mask(call: Call, index: int, _spec: OutputSpec) -> Floats:
    """Return a soft ellipse somewhere about the middle."""
    masks = next((each for each in call.values() if isinstance(each, np.ndarray) and each.ndim == 3), None)
    if call.images:
        count, height, width = call.images[0].shape[:3]
    else:
        count, height, width = masks.shape if masks is not None else (1, *_size(call))
    check_size((count, height, width), "width, height")
    x, y, across, down = numbers(digest_of(call.digest, index), 4)
    columns = ((np.arange(width) + 0.5) / width - 0.4 - 0.2 * x) / (0.22 + 0.12 * across)
    rows = ((np.arange(height) + 0.5) / height - 0.4 - 0.2 * y) / (0.22 + 0.12 * down)
    distance = np.sqrt(columns[None, :] * columns[None, :] + rows[:, None] * rows[:, None])
    ellipse = np.clip((1.05 - distance) * 10, 0, 1).astype(np.float32)
    return np.repeat(ellipse[None], count, axis=0)


def _latent(call: Call, _index: int, _spec: OutputSpec) -> Any:
    if call.latents:
        return {**call.latents[0], "simulated": call.latents[0].get("simulated", call.mark)}
    sized = "width" in call.inputs and "height" in call.inputs
    return encoded(call) if call.images and not sized else empty_latent(call)


def _audio(call: Call, _index: int, _spec: OutputSpec) -> Any:
    given = next((each for each in call.values() if isinstance(each, dict) and "waveform" in each), None)
    length = _seconds(call) if given is None else given["waveform"].shape[-1] / given["sample_rate"]
    return melody(call.digest, length)


def _seconds(call: Call) -> float:
    for name in ("seconds", "duration", "seconds_total", "audio_length"):
        match = re.match(r"\s*(\d+(?:\.\d+)?)", str(call.inputs.get(name, "")))
        if match and float(match[1]) > 0:
            return min(600.0, float(match[1]))
    return _SECONDS


def _video(call: Call, index: int, _spec: OutputSpec) -> PlaceholderVideo:
    """Return a video of the size and length that came in or was asked for, drawn when somebody looks inside."""
    rate = Fraction(_FPS)
    if call.video is not None:
        width, height = call.video.dimensions()
    elif call.images:
        height, width = call.images[0].shape[1:3]
    else:
        height, width = _size(call)
    count = call.integer(*LENGTHS, default=0) or round(_seconds(call) * _FPS)
    size = (max(2, width // 2 * 2), max(2, height // 2 * 2))  # H.264 takes even sides only
    palette = call.text.encode() or call.digest
    return PlaceholderVideo(digest_of(call.digest, index), palette, size, min(count, 4096), rate, call.mark, call.hint)


def _svg(call: Call, _index: int, _spec: OutputSpec) -> Svg:
    """Return a vector picture that says what it is."""
    said = escape(f"{call.class_type} {call.text}".strip()[:80])
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">'
        '<rect width="512" height="512" fill="#5fa8d3"/><circle cx="256" cy="200" r="110" fill="#fdf0d5"/>'
        '<text x="256" y="440" text-anchor="middle" font-family="monospace" font-size="56">SIMULATED</text>'
        f'<text x="256" y="480" text-anchor="middle" font-family="monospace" font-size="14">{said}</text></svg>'
    )
    return Svg((text,))


def _sigmas(call: Call, _index: int, _spec: OutputSpec) -> Floats:
    """Return noise levels that fall evenly, to nothing at the end."""
    given = next((each for each in call.values() if isinstance(each, np.ndarray) and each.ndim == 1), None)
    if given is not None:
        return given.astype(np.float32)
    steps = max(1, min(10_000, call.integer("steps", default=20)))
    strength = float(call.inputs.get("denoise", 1.0)) if isinstance(call.inputs.get("denoise"), (int, float)) else 1.0
    return (np.arange(steps, -1, -1, dtype=np.float32) / np.float32(steps)) * np.float32(min(1.0, max(0.0, strength)))


def _number(kind: type, default: Any) -> Callable[[Call, int, OutputSpec], Any]:
    """Return a number to go on with: what came in under the output's name, a side of the picture, any that came in."""

    def make(call: Call, _index: int, spec: OutputSpec) -> Any:
        name = spec.name.lower().replace(" ", "_")
        sides = dict(zip(("height", "width"), call.images[0].shape[1:3] if call.images else (), strict=False))
        numbers = {each: value for each, value in call.inputs.items() if type(value) in (int, float)}
        if name in numbers or name in sides:
            return kind(numbers.get(name, sides.get(name)))
        if any(word in name for word in ("trim", "offset", "start")):
            return kind(0)
        return kind(next((value for each, value in numbers.items() if "seed" not in each), default))

    return make


def _text(call: Call, _index: int, _spec: OutputSpec) -> str:
    said = call.text.strip()
    return f"simulated text of {call.class_type}" + (f": {said}" if said else "")


def _anything(call: Call, index: int, spec: OutputSpec) -> Any:
    """Return the first value that came in where anything may, else the first that is no plain one, else a stand-in."""
    free = (value for name, value in call.inputs.items() if call.takes(name) == "*" and value is not None)
    rich = [value for value in call.values() if value is not None and not isinstance(value, (str, int, float))]
    found = next(iter(rich or free), None)
    return found if found is not None else _stand_in(call, index, spec)


def _choice(call: Call, _index: int, spec: OutputSpec) -> str:
    given = call.inputs.get(spec.name)
    return given if isinstance(given, str) else ""


_MAKERS: Mapping[str, Callable[[Call, int, OutputSpec], Any]] = {
    "IMAGE": _images,
    "MASK": _mask,
    "LATENT": _latent,
    "AUDIO": _audio,
    "VIDEO": _video,
    "SIGMAS": _sigmas,
    "SVG": _svg,
    "STRING": _text,
    "COMBO": _choice,
    "INT": _number(int, 1),
    "FLOAT": _number(float, 1.0),
    "BOOLEAN": lambda call, _index, spec: bool(call.inputs.get(spec.name.lower(), True)),
    "*": _anything,
}
"""By output type, what makes a placeholder; other types get a stand-in."""
