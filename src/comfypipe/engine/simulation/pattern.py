"""
Patterns: smooth fields of colour, drawn from a key. The same bytes on every machine.

Only operations that IEEE 754 rounds exactly (+ - * / and square roots) are used, one NumPy call each: sines and powers
differ in their last bits from one processor to the next.
"""

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float64]
Pattern: TypeAlias = NDArray[np.float32]
"""(height, width, 4): red, green, blue and a height, each -1..1."""

PALETTES: tuple[tuple[str, ...], ...] = (
    ("1b2a49", "5b4b8a", "c05c7e", "f3a683", "fde6c4"),
    ("0b3c49", "13717f", "39a9a0", "a3d9c9", "f4f1de"),
    ("1f3b2d", "3f6b4f", "86a873", "d5c67a", "f5eccd"),
    ("3d2b27", "8c4a3c", "c8715a", "e6b49a", "f6e7d8"),
    ("2e2a4f", "5f5aa2", "9d8ec7", "d8c3e0", "fbeff2"),
    ("24434a", "4f8a8b", "c7d36f", "fbd87f", "fff5d6"),
    ("16324f", "2a628f", "5fa8d3", "bee3f2", "f5fbff"),
    ("40233b", "8b3f5d", "d1717b", "f2b5a7", "fdeee0"),
    ("2b2d42", "576066", "8d9b6a", "d9b44a", "f7e8b5"),
    ("133b3a", "2f7f6f", "7cc6a4", "cdebc5", "fefae0"),
    ("28334a", "7a4b63", "d0806f", "f0bf8f", "fbeedb"),
    ("231942", "5e548e", "9f86c0", "e0b1cb", "fdf0f5"),
)
"""Colours from dark to light."""

_OCTAVES = ((3, 0.62), (7, 0.27), (13, 0.11))
"""Lattice sizes, and how much each counts."""
_WARP = 0.55
"""How far the field is folded: 0 gives soft blobs, 1 marble."""
_DRIFT = 0.35
"""How far the folds move from the first moment to the last."""


def draw(key: bytes, palette_key: bytes, height: int, width: int, moment: float = 0.0) -> Pattern:
    """
    Draw a pattern.

    Args:
        key: Decides the shapes.
        palette_key: Decides the colours.
        height: In cells.
        width: In cells.
        moment: 0..1, for the frames of a video: shapes move on from frame to frame.
    """
    rows, columns = _coordinates(height, width)
    sway = _DRIFT * moment
    across = columns + _WARP * (noise(key, b"x", 2, rows + sway, columns) - 0.5)
    down = rows + _WARP * (noise(key, b"y", 2, rows, columns + sway) - 0.5)
    field = np.zeros((height, width))
    for index, (size, share) in enumerate(_OCTAVES):
        field += share * noise(key, bytes([index]), size, down, across)
    field = np.clip((field - 0.5) * 2.4 + 0.5, 0, 1)  # noise keeps to the middle: spread it over all colours
    colours = _coloured(field, palette_key) * _light(key, rows, columns)[..., None]
    return np.concatenate([np.clip(colours, 0, 1), field[..., None]], axis=-1).astype(np.float32) * np.float32(2) - 1


def noise(key: bytes, label: bytes, size: int, rows: Field, columns: Field) -> Field:
    """
    Sample a random field, smooth (a cubic B-spline) and without seams, at places whose unit is the longer side.

    Args:
        size: Of the lattice: how many hills there are from side to side.

    Returns:
        Values within 0..1.
    """
    lattice = numbers(key + label, size * size).reshape(size, size)
    row, row_weights = _taps(rows * size)
    column, column_weights = _taps(columns * size)
    total = np.zeros(np.broadcast_shapes(rows.shape, columns.shape))
    for j in range(4):
        line = np.zeros_like(total)
        for i in range(4):
            line += column_weights[i] * lattice[(row + j) % size, (column + i) % size]
        total += row_weights[j] * line
    return total


def colours_of(palette_key: bytes) -> Field:
    """Return the colours that a key draws: (5, 3), 0..1, dark to light, every second time light to dark."""
    choice = hashlib.blake2b(palette_key, digest_size=2).digest()
    palette = PALETTES[choice[0] % len(PALETTES)]
    colours = np.array([list(bytes.fromhex(each)) for each in palette]) / 255
    return colours[::-1] if choice[1] % 3 == 0 else colours


def _coordinates(height: int, width: int) -> tuple[Field, Field]:
    longer = max(height, width)
    rows = (np.arange(height)[:, None] + 0.5) / longer
    columns = (np.arange(width)[None, :] + 0.5) / longer
    return rows + np.zeros((1, width)), columns + np.zeros((height, 1))


def numbers(key: bytes, count: int) -> Field:
    """Return numbers 0..1 that follow from *key* alone, on every version of NumPy."""
    return np.frombuffer(hashlib.shake_256(key).digest(2 * count), "<u2") / 65535


def _taps(places: Field) -> tuple[NDArray[np.intp], tuple[Field, Field, Field, Field]]:
    whole = np.floor(places)
    t = places - whole
    s = 1 - t
    weights = (
        s * s * s / 6,
        (4 - 6 * t * t + 3 * t * t * t) / 6,
        (4 - 6 * s * s + 3 * s * s * s) / 6,
        t * t * t / 6,
    )
    return whole.astype(np.intp) - 1, weights


def _coloured(field: Field, palette_key: bytes) -> Field:
    colours = colours_of(palette_key)
    place = field * (len(colours) - 1)
    lower = np.minimum(place.astype(np.intp), len(colours) - 2)
    share = (place - lower)[..., None]
    mixed: Field = colours[lower] + share * (colours[lower + 1] - colours[lower])
    return mixed


def _light(key: bytes, rows: Field, columns: Field) -> Field:
    """Return a soft light from one place, within about 0.84..1.04."""
    row, column = numbers(key + b"light", 2)
    across, down = columns - column, rows - row * 0.5
    light: Field = 0.84 + 0.2 / (1 + 3 * (across * across + down * down))
    return light
