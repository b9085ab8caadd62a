"""Draw the pictures that the example pipelines work on, into assets/.

Everything is computed: a turned vase is a profile curve, lit as if it were thrown on a wheel. The same numbers give the
same pictures on every machine, up to the last bit of rounding.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.interpolate import CubicSpline

Floats = npt.NDArray[np.float64]
SUPERSAMPLE = 3
LIGHT = np.array([-0.55, -0.45, 0.70]) / np.linalg.norm([-0.55, -0.45, 0.70])
FRAMES = 24


def profile(height: Floats) -> Floats:
    """Return the vase's radius (0..1) at *height* (0 at the foot, 1 at the lip)."""
    knots = [0.0, 0.04, 0.14, 0.30, 0.50, 0.68, 0.80, 0.88, 0.95, 1.0]
    radii = [0.40, 0.42, 0.52, 0.74, 0.86, 0.70, 0.46, 0.36, 0.38, 0.46]
    return np.asarray(CubicSpline(knots, radii)(np.clip(height, 0, 1)))


def lathe(width_px: int, height_px: int, turn: float, *, patterned: bool) -> Floats:
    """
    Render the vase.

    Args:
        turn: Rotation about its axis, in turns; it only shows with a pattern.

    Returns:
        (height, width, 4), 0..1, straight alpha.
    """
    rows, columns = height_px * SUPERSAMPLE, width_px * SUPERSAMPLE
    y, x = np.mgrid[0:rows, 0:columns].astype(float)
    up = 1 - (y / rows - 0.07) / 0.86
    radius = profile(up) * columns * 0.42
    across = (x - columns / 2 + 0.5) / radius
    foot = -0.012 * np.sqrt(np.clip(1 - across**2, 0, 1))  # the rim of the foot bends towards us
    inside = (np.abs(across) < 1) & (up > foot) & (up < 1)
    across = np.clip(across, -1, 1)
    lean = np.broadcast_to(-np.gradient(radius[:, 0])[:, None], across.shape)  # how far the wall faces down
    normal = np.stack([across, lean, np.sqrt(1 - across**2)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    around = (np.arcsin(across) / (2 * np.pi) + turn) % 1
    colour = shade(normal, glaze(around, up) if patterned else bare(up))
    rgba = np.concatenate([colour, inside[..., None].astype(float)], axis=-1)
    return shrink(lip(rgba, columns, rows))


def bare(up: Floats) -> Floats:
    """Return pale clay, with the rings that a wheel leaves."""
    rings = 0.012 * np.sin(up * 150) + 0.010 * np.sin(up * 61 + 1)
    return np.stack([0.93 + rings, 0.91 + rings, 0.88 + rings], axis=-1)


def glaze(around: Floats, up: Floats) -> Floats:
    """Return a glaze of diamonds and bands that shows the rotation."""
    cells = np.abs((around * 8) % 1 - 0.5) + np.abs(((up - 0.28) * 7) % 1 - 0.5)
    belly = (up > 0.285) & (up < 0.71)
    column = np.floor(around * 8)[..., None]  # every other one is green, one is rust: a whole turn shows
    diamond = np.where(column % 2, [0.16, 0.36, 0.47], np.where(column == 0, [0.70, 0.33, 0.22], [0.24, 0.45, 0.36]))
    colour = np.where((belly & (cells < 0.5))[..., None], diamond, [0.95, 0.91, 0.83])
    dot = belly & (cells < 0.16)
    colour = np.where(dot[..., None], [0.93, 0.69, 0.28], colour)
    band = (np.abs(up - 0.255) < 0.012) | (np.abs(up - 0.74) < 0.012) | (up < 0.05) | (up > 0.955)
    return np.where(band[..., None], [0.70, 0.33, 0.22], colour)


def shade(normal: Floats, colour: Floats) -> Floats:
    """Light *colour* with a key light, a fill from the right and a soft highlight."""
    key = np.clip(normal @ LIGHT, 0, 1)
    fill = np.clip(normal @ np.array([0.9, 0.1, 0.4]), 0, 1)
    half = LIGHT + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    gloss = np.clip(normal @ half, 0, 1) ** 48
    lit: Floats = colour * (0.30 + 0.66 * key + 0.16 * fill)[..., None] + 0.28 * gloss[..., None]
    return np.clip(lit, 0, 1)


def lip(rgba: Floats, columns: int, rows: int) -> Floats:
    """Put the dark opening on top, seen a little from above."""
    y, x = np.mgrid[0:rows, 0:columns].astype(float)
    half = profile(np.array(1.0)) * columns * 0.42
    for grow, tone in ((1.0, 0.98), (0.88, 0.20)):
        away = ((x - columns / 2 + 0.5) / (half * grow)) ** 2 + ((y - rows * 0.072) / (half * 0.20 * grow)) ** 2
        rgba[away < 1] = [tone, tone * 0.96, tone * 0.92, 1]
    return rgba


def shrink(rgba: Floats) -> Floats:
    """Average blocks of pixels, weighting colour by alpha."""
    rows, columns = rgba.shape[0] // SUPERSAMPLE, rgba.shape[1] // SUPERSAMPLE
    blocks = rgba.reshape(rows, SUPERSAMPLE, columns, SUPERSAMPLE, 4)
    alpha = blocks[..., 3:].mean(axis=(1, 3))
    colour = (blocks[..., :3] * blocks[..., 3:]).mean(axis=(1, 3)) / np.maximum(alpha, 1e-9)
    return np.concatenate([colour, alpha], axis=-1)


def backdrop(side: int) -> Floats:
    """Return a studio sweep: a wall that falls softly into a floor, with a pool of light."""
    y, x = np.mgrid[0:side, 0:side] / side
    floor = 1 / (1 + np.exp(-(y - 0.74) * 26))
    light = np.exp(-(((x - 0.42) / 0.55) ** 2 + ((y - 0.40) / 0.55) ** 2))
    wall = np.array([0.77, 0.75, 0.74]) + light[..., None] * np.array([0.21, 0.21, 0.20])
    ground = np.array([0.83, 0.80, 0.77]) + light[..., None] * np.array([0.12, 0.11, 0.10])
    swept: Floats = wall * (1 - floor[..., None]) + ground * floor[..., None]
    return swept


def logo(side: int) -> Floats:
    """Return the watermark: a ring around three turned waves, white on nothing."""
    fine = side * SUPERSAMPLE
    y, x = (np.mgrid[0:fine, 0:fine] + 0.5) / fine * 2 - 1
    distance = np.hypot(x, y)
    ring = np.abs(distance - 0.88) < 0.06
    waves = np.zeros_like(ring)
    for offset in (-0.34, 0.0, 0.34):
        waves |= np.abs(y - offset - 0.11 * np.sin(x * 5.2)) < 0.062
    mark = ring | (waves & (distance < 0.70))
    return shrink(np.concatenate([np.ones((fine, fine, 3)), mark[..., None].astype(float)], axis=-1))


def on_paper(rgba: Floats) -> Floats:
    """Lay a picture with alpha on warm paper."""
    paper = np.array([0.96, 0.94, 0.90])
    return rgba[..., :3] * rgba[..., 3:] + paper * (1 - rgba[..., 3:])


def save(pixels: Floats, path: Path) -> None:
    """Write *pixels* (height, width, 3 or 4; 0..1) as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(path, optimize=True)


def draw(folder: Path) -> None:
    """Draw all pictures below *folder*."""
    save(lathe(720, 960, 0.0, patterned=False), folder / "vase.png")
    save(backdrop(512), folder / "backdrop.png")
    save(logo(192), folder / "logo.png")
    for frame in range(FRAMES):
        turned = lathe(240, 320, frame / FRAMES, patterned=True)
        save(on_paper(turned), folder / "turntable" / f"{frame:02}.png")


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "assets")
