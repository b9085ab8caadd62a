"""Blend modes of two images."""

from collections.abc import Callable, Mapping

import numpy as np

from comfypipe.engine.pixels.values import Floats, blockwise

_ONE = np.float32(1)
_TWO = np.float32(2)


def blend(below: Floats, above: Floats, factor: float, mode: str) -> Floats:
    """
    Mix *below* with what *mode* makes of both: ``below * (1 - factor) + mode(below, above) * factor``, clamped to 0..1.

    Raises:
        ValueError: There is no such mode.
    """
    if mode not in MODES:
        raise ValueError(f"Unsupported blend mode: {mode}")
    combine, keep, take = MODES[mode], np.float32(1 - factor), np.float32(factor)

    def mix(a: Floats, b: Floats) -> Floats:
        combined = combine(a, b) * take
        combined += a * keep
        return np.clip(combined, 0, 1, out=combined)

    return blockwise(mix, below, above)


def _normal(_a: Floats, b: Floats) -> Floats:
    return b


def _multiply(a: Floats, b: Floats) -> Floats:
    return a * b


def _screen(a: Floats, b: Floats) -> Floats:
    return _ONE - (_ONE - a) * (_ONE - b)


def _overlay(a: Floats, b: Floats) -> Floats:
    return np.where(a <= 0.5, _TWO * a * b, _ONE - _TWO * (_ONE - a) * (_ONE - b))


def _soft_light(a: Floats, b: Floats) -> Floats:
    """Darken or lighten *a* as a diffuse light would. Source: W3C Compositing and Blending, soft-light."""
    darker = a - (_ONE - _TWO * b) * a * (_ONE - a)
    lighter = a + (_TWO * b - _ONE) * (_lifted(a) - a)
    return np.where(b <= 0.5, darker, lighter)


def _lifted(a: Floats) -> Floats:
    # The root of a negative value is never chosen, but would warn.
    return np.where(
        a <= 0.25, ((np.float32(16) * a - np.float32(12)) * a + np.float32(4)) * a, np.sqrt(np.maximum(a, 0))
    )


def _difference(a: Floats, b: Floats) -> Floats:
    return a - b


MODES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "normal": _normal,
    "multiply": _multiply,
    "screen": _screen,
    "overlay": _overlay,
    "soft_light": _soft_light,
    "difference": _difference,
}
"""By name; ``difference`` keeps its sign: what is negative is clamped after mixing."""
