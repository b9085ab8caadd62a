"""Nodes that plan how strong hooks are, and when. Source: ComfyUI ``nodes_hooks`` (0.3.64)."""

from collections.abc import Callable, Iterable, Mapping
from logging import getLogger
from typing import Any

import numpy as np

from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, number, optional, outputs, required
from comfypipe.engine.sampling import Keyframe, Keyframes

_log = getLogger(__name__)

CURVES: Mapping[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "ease_in": lambda x: x * x,
    "ease_out": lambda x: 1 - (1 - x) * (1 - x),
    "ease_in_out": lambda x: (1 - np.cos(x * np.pi)) / 2,
}
"""By name, how a strength goes from its start (0) to its end (1)."""


def one_keyframe(strength_mult: float, start_percent: float, prev_hook_kf: Keyframes | None = None) -> tuple[Keyframes]:
    """Add a keyframe."""
    return ((prev_hook_kf or Keyframes()).with_added([Keyframe(strength_mult, float(start_percent))]),)


def interpolated(
    strength_start: float,
    strength_end: float,
    interpolation: str,
    start_percent: float,
    end_percent: float,
    keyframes_count: int,
    print_keyframes: bool,
    prev_hook_kf: Keyframes | None = None,
) -> tuple[Keyframes]:
    """Add keyframes at even distances, whose strengths follow a curve."""
    curve = CURVES[interpolation](np.linspace(0, 1, keyframes_count))
    strengths = (strength_start + (strength_end - strength_start) * curve).astype(np.float32).tolist()
    return _planned(strengths, start_percent, end_percent, print_keyframes, prev_hook_kf)


def from_floats(
    floats_strength: Any,
    start_percent: float,
    end_percent: float,
    print_keyframes: bool,
    prev_hook_kf: Keyframes | None = None,
) -> tuple[Keyframes]:
    """
    Add keyframes at even distances, with the strengths that are given.

    Raises:
        Exception: The strengths are no numbers: ComfyUI's own type.
    """
    if isinstance(floats_strength, (int, float)):
        floats_strength = [float(floats_strength)]
    if isinstance(floats_strength, str) or not isinstance(floats_strength, Iterable):
        raise Exception(f"floats_strength: expected a number or several, got {type(floats_strength).__name__}")
    return _planned(list(floats_strength), start_percent, end_percent, print_keyframes, prev_hook_kf)


def _planned(
    strengths: list[float], start: float, end: float, shown: bool, before: Keyframes | None
) -> tuple[Keyframes]:
    starts = np.linspace(start, end, len(strengths)).astype(np.float32).tolist()
    added = [  # the first holds for a step at least, even where sampling starts behind it
        Keyframe(strength, place, 0 if index else 1)
        for index, (strength, place) in enumerate(zip(strengths, starts, strict=True))
    ]
    if shown:
        for each in added:
            _log.info("hook keyframe from %g on: %g", each.start_percent, each.strength)
    return ((before or Keyframes()).with_added(added),)


def _node(
    class_type: str, display_name: str, function: Callable[..., tuple[Keyframes]], inputs: Mapping[str, InputSpec]
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        {**inputs, "prev_hook_kf": optional("HOOK_KEYFRAMES")},
        outputs("HOOK_KEYFRAMES", names=("HOOK_KF",)),
        category="advanced/hooks/scheduling",
        display_name=display_name,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module="comfy_extras.nodes_hooks",
        experimental=True,
    )


_START = number(0.0, 0.0, 1.0, step=0.001)
_END = number(1.0, 0.0, 1.0, step=0.001)
_PRINT = required("BOOLEAN", default=False)

NODES: tuple[NodeClass, ...] = (
    _node(
        "CreateHookKeyframe",
        "Create Hook Keyframe",
        one_keyframe,
        {"strength_mult": number(1.0, -20.0, 20.0, step=0.01), "start_percent": _START},
    ),
    _node(
        "CreateHookKeyframesInterpolated",
        "Create Hook Keyframes Interp.",
        interpolated,
        {
            "strength_start": number(1.0, 0.0, 10.0, step=0.001),
            "strength_end": number(1.0, 0.0, 10.0, step=0.001),
            "interpolation": combo(*CURVES),
            "start_percent": _START,
            "end_percent": _END,
            "keyframes_count": integer(5, 2, 100, step=1),
            "print_keyframes": _PRINT,
        },
    ),
    _node(
        "CreateHookKeyframesFromFloats",
        "Create Hook Keyframes From Floats",
        from_floats,
        {
            "floats_strength": required("FLOATS", default=-1, min=-1, step=0.001, forceInput=True),
            "start_percent": _START,
            "end_percent": _END,
            "print_keyframes": _PRINT,
        },
    ),
)
