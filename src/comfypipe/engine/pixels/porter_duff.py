"""
Composition of two images with alpha, on premultiplied colours.

Source: T. Porter and T. Duff, "Compositing Digital Images" (1984); ADD, DARKEN, LIGHTEN, MULTIPLY, OVERLAY and SCREEN
as Android's ``PorterDuff.Mode`` documents them.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from comfypipe.engine.pixels.values import Floats

Layers: TypeAlias = Callable[[Floats, Floats, Floats, Floats], tuple[Floats, Floats]]
"""From source colour, source alpha, destination colour and destination alpha to colour and alpha, premultiplied."""

_ONE = np.float32(1)
_TWO = np.float32(2)
_LEAST_ALPHA = 1e-5
"""Colour is undefined, and set to 0, where less covers than this."""


def compose(
    source: Floats, source_alpha: Floats, below: Floats, below_alpha: Floats, mode: str
) -> tuple[Floats, Floats]:
    """
    Put *source* over *below* (height, width, channel) by a mode; alphas are (height, width, 1).

    Returns:
        Colour, not premultiplied and clamped to 0..1, and alpha.

    Raises:
        ValueError: There is no such mode.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}: expected one of {', '.join(MODES)}")
    color, alpha = MODES[mode](source * source_alpha, source_alpha, below * below_alpha, below_alpha)
    covered = alpha > _LEAST_ALPHA
    plain = np.divide(color, alpha, out=np.zeros_like(color), where=np.broadcast_to(covered, color.shape))
    return np.clip(plain, 0, 1, out=plain), alpha


def _union(sa: Floats, da: Floats) -> Floats:
    return sa + da - sa * da


def _overlay(s: Floats, sa: Floats, d: Floats, da: Floats) -> tuple[Floats, Floats]:
    bright = sa * da - _TWO * (da - s) * (sa - d)
    return np.where(_TWO * d < da, _TWO * s * d, bright), _union(sa, da)


def _outside(s: Floats, sa: Floats, d: Floats, da: Floats) -> Floats:
    return (_ONE - da) * s + (_ONE - sa) * d


MODES: Mapping[str, Layers] = {
    "ADD": lambda s, sa, d, da: (np.clip(s + d, 0, 1), np.clip(sa + da, 0, 1)),
    "CLEAR": lambda _s, _sa, d, da: (np.zeros_like(d), np.zeros_like(da)),
    "DARKEN": lambda s, sa, d, da: (_outside(s, sa, d, da) + np.minimum(s, d), _union(sa, da)),
    "DST": lambda _s, _sa, d, da: (d, da),
    "DST_ATOP": lambda s, sa, d, da: (sa * d + (_ONE - da) * s, sa),
    "DST_IN": lambda _s, sa, d, da: (d * sa, sa * da),
    "DST_OUT": lambda _s, sa, d, da: ((_ONE - sa) * d, (_ONE - sa) * da),
    "DST_OVER": lambda s, sa, d, da: (d + (_ONE - da) * s, da + (_ONE - da) * sa),
    "LIGHTEN": lambda s, sa, d, da: (_outside(s, sa, d, da) + np.maximum(s, d), _union(sa, da)),
    "MULTIPLY": lambda s, sa, d, da: (s * d, sa * da),
    "OVERLAY": _overlay,
    "SCREEN": lambda s, sa, d, da: (s + d - s * d, _union(sa, da)),
    "SRC": lambda s, sa, _d, _da: (s, sa),
    "SRC_ATOP": lambda s, sa, d, da: (da * s + (_ONE - sa) * d, da),
    "SRC_IN": lambda s, sa, _d, da: (s * da, sa * da),
    "SRC_OUT": lambda s, sa, _d, da: ((_ONE - da) * s, (_ONE - da) * sa),
    "SRC_OVER": lambda s, sa, d, _da: (s + (_ONE - sa) * d, sa + (_ONE - sa) * _da),
    "XOR": lambda s, sa, d, da: (_outside(s, sa, d, da), (_ONE - da) * sa + (_ONE - sa) * da),
}
"""By name."""
