"""
Camera movements as a picture of rays: six numbers a pixel (Plücker coordinates), a frame after the other.

Sources: Sitzmann et al. 2021 (arXiv 2106.02634) for the coordinates; He et al. 2024, CameraCtrl (arXiv 2404.02101), for
the way they are given to a video model.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.arrays import zeros

_WIDTH, _HEIGHT = 1280, 720
"""Proportions of the videos that focal lengths refer to."""
_TURN = math.pi / 3
_SHIFT = 1.5
_FRAMES = 4
"""So many frames are one of a latent."""


@dataclass(frozen=True, slots=True)
class Movement:
    """How a camera moves in a whole video: along x, y and z, and by how much it turns about its axis of sight."""

    along: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: float = 0.0


MOVEMENTS: Mapping[str, Movement] = {
    "Static": Movement(),
    "Pan Up": Movement((0.0, -1.0, 0.0)),
    "Pan Down": Movement((0.0, 1.0, 0.0)),
    "Pan Left": Movement((-1.0, 0.0, 0.0)),
    "Pan Right": Movement((1.0, 0.0, 0.0)),
    "Zoom In": Movement((0.0, 0.0, 2.0)),
    "Zoom Out": Movement((0.0, 0.0, -2.0)),
    "Anti Clockwise (ACW)": Movement(turn=-1.0),
    "ClockWise (CW)": Movement(turn=1.0),
}
"""Those that ComfyUI knows by name."""


@dataclass(frozen=True, slots=True)
class Lens:
    """Focal lengths and centre, as parts of width and height."""

    fx: float
    fy: float
    cx: float
    cy: float


def camera_embedding(
    movement: Movement, width: int, height: int, length: int, speed: float, lens: Lens
) -> NDArray[np.float32]:
    """
    Return the rays of a camera that moves, as a video model takes them: (1, 24, frame of a latent, height, width).

    The 24 channels are the six coordinates (moment, direction), four frames each; the first frame comes four times.

    Raises:
        RuntimeError: The length is not a multiple of four and one more.
        ValueError: It would take more memory than is allowed.
    """
    if (length - 1) % _FRAMES:
        raise RuntimeError(f"length: {length} frames, expected a multiple of {_FRAMES} and one more")
    embedding = zeros((6, _FRAMES, (length - 1) // _FRAMES + 1, height, width), "width, height, length")
    seen = _directions(width, height, lens)
    for frame in range(length):
        rays = _rays(seen, movement, np.float64(frame) / length * speed)
        if frame == 0:
            embedding[:, :, 0] = rays[:, None]
        else:
            place = frame + _FRAMES - 1
            embedding[:, place % _FRAMES, place // _FRAMES] = rays
    return embedding.reshape(1, 6 * _FRAMES, -1, height, width)


def _directions(width: int, height: int, lens: Lens) -> NDArray[np.float32]:
    """Return where each pixel of a camera at rest looks: (3, height, width), of length 1."""
    fx, fy = lens.fx, lens.fy
    if width / height < _WIDTH / _HEIGHT:
        fx = height * (_WIDTH / _HEIGHT) * fx / width
    else:
        fy = width / (_WIDTH / _HEIGHT) * fy / height
    with np.errstate(divide="ignore", invalid="ignore"):  # a lens without focal length sees nothing: NaN, as in ComfyUI
        x = _across(width, lens.cx * width, fx * width)
        y = _across(height, lens.cy * height, fy * height)
        sight = np.ones((3, height, width), np.float32)
        sight[0], sight[1] = x[None, :], y[:, None]
        return np.asarray(sight / np.sqrt((sight * sight).sum(axis=0)))


def _across(count: int, centre: float, focal: float) -> NDArray[np.float32]:
    return np.asarray((np.arange(count, dtype=np.float32) + np.float32(0.5) - np.float32(centre)) / np.float32(focal))


def _rays(seen: NDArray[np.float32], movement: Movement, share: float) -> NDArray[np.float32]:
    """Return moment and direction of each pixel's ray, when *share* of the movement is done: (6, height, width)."""
    cos, sin = (np.float32(of(share * _TURN * movement.turn)) for of in (math.cos, math.sin))
    # Adding 0 makes a plain zero of a negative one, which clients would see.
    x, y, z = (np.float32(share * _SHIFT * each + 0.0) for each in movement.along)
    # The product of matrices that this is lets a NaN of one coordinate through to all of them.
    ahead = seen[2] + np.float32(0) * (seen[0] + seen[1])
    right, down = cos * seen[0] - sin * seen[1], sin * seen[0] + cos * seen[1]
    moments = (y * ahead - z * down, z * right - x * ahead, x * down - y * right)
    return np.stack([*moments, right, down, ahead])
