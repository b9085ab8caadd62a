"""Composition by Porter-Duff modes."""

import numpy as np
import pytest

from comfypipe.engine.pixels.porter_duff import MODES, compose
from comfypipe.engine.pixels.values import Floats

SHARES: dict[str, tuple[int | str, int | str]] = {
    "CLEAR": (0, 0),
    "SRC": (1, 0),
    "DST": (0, 1),
    "SRC_OVER": (1, "1-sa"),
    "DST_OVER": ("1-da", 1),
    "SRC_IN": ("da", 0),
    "DST_IN": (0, "sa"),
    "SRC_OUT": ("1-da", 0),
    "DST_OUT": (0, "1-sa"),
    "SRC_ATOP": ("da", "1-sa"),
    "DST_ATOP": ("1-da", "sa"),
    "XOR": ("1-da", "1-sa"),
}
"""How much of the source and of the destination stays, as in Porter and Duff's table."""


def layer(value: float, channels: int = 3) -> Floats:
    """Return one pixel."""
    return np.full((1, 1, channels), value, np.float32)


def composed(mode: str, s: float, sa: float, d: float, da: float) -> tuple[float, float]:
    """Compose one pixel; return its first channel and alpha."""
    color, alpha = compose(layer(s), layer(sa, 1), layer(d), layer(da, 1), mode)
    return float(color[0, 0, 0]), float(alpha[0, 0, 0])


@pytest.mark.parametrize("mode", SHARES)
@pytest.mark.parametrize("pixel", [(0.8, 0.5, 0.3, 0.7), (0.2, 1.0, 0.9, 0.25), (1.0, 0.0, 0.5, 1.0)])
def test_twelve_modes_keep_shares_of_both(mode: str, pixel: tuple[float, float, float, float]) -> None:
    """Colour and alpha are those shares of the premultiplied layers that the table has."""
    s, sa, d, da = pixel
    known: dict[int | str, float] = {0: 0, 1: 1, "sa": sa, "da": da, "1-sa": 1 - sa, "1-da": 1 - da}
    of_source, of_below = (known[share] for share in SHARES[mode])
    alpha = of_source * sa + of_below * da
    color = (of_source * s * sa + of_below * d * da) / alpha if alpha > 1e-5 else 0
    assert composed(mode, *pixel) == pytest.approx((color, alpha), abs=1e-6)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("ADD", 1.0), ("DARKEN", 0.25), ("LIGHTEN", 0.75), ("MULTIPLY", 0.1875), ("SCREEN", 0.8125), ("OVERLAY", 0.375)],
)
def test_modes_on_opaque_layers(mode: str, expected: float) -> None:
    """On opaque layers the other modes are the well-known blend modes."""
    assert pytest.approx((expected, 1)) == composed(mode, 0.75, 1, 0.25, 1)


def test_every_mode_is_tested() -> None:
    """The two tests before this one leave no mode out."""
    assert {*MODES} == {*SHARES, "ADD", "DARKEN", "LIGHTEN", "MULTIPLY", "SCREEN", "OVERLAY"}


def test_unknown_modes_are_named() -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match="'OVER': expected one of ADD, CLEAR"):
        composed("OVER", 0, 0, 0, 0)
