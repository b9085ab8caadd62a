"""Rays of moving cameras, against what the geometry says of single pixels."""

import math

import numpy as np
import pytest

from comfypipe.engine.camera import MOVEMENTS, Lens, camera_embedding
from comfypipe.engine.nodes.camera import NODES

LENS = Lens(0.5, 0.5, 0.5, 0.5)


def rays(name: str, length: int = 9, speed: float = 1.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return (frame, moment and direction, height, width), the frames undone from their groups of four."""
    embedding = camera_embedding(MOVEMENTS[name], 64, 48, length, speed, LENS)
    frames = embedding.reshape(6, 4, -1, 48, 64).transpose(2, 1, 0, 3, 4).reshape(-1, 6, 48, 64)
    return frames[3:]


def test_shape_is_what_models_take() -> None:
    """Six coordinates of four frames are the channels; the first frame stands four times."""
    embedding = camera_embedding(MOVEMENTS["Zoom In"], 64, 48, 9, 1.0, LENS)
    assert ((1, 24, 3, 48, 64), "float32") == (embedding.shape, embedding.dtype.name)
    first = embedding.reshape(6, 4, 3, 48, 64)[:, :, 0]
    assert all((first[:, 0] == first[:, index]).all() for index in range(4))


def test_camera_at_rest_looks_ahead() -> None:
    """Every direction has length 1, its moment is 0, and the middle looks along z."""
    frames = rays("Static")
    assert 9 == len(frames)
    assert not frames[:, :3].any()
    np.testing.assert_allclose(np.sqrt((frames[:, 3:] ** 2).sum(axis=1)), 1, rtol=1e-6)
    np.testing.assert_allclose(frames[0, 3:, 23:25, 31:33].mean(axis=(1, 2)), [0, 0, 1], atol=1e-3)


def test_a_camera_that_has_not_moved_has_a_plain_zero() -> None:
    """Not a negative one, although it will move against the axis."""
    first = rays("Pan Up", length=1)
    assert not np.signbit(first[:, 0]).any()


def test_a_lens_without_focal_length_sees_nothing() -> None:
    """Every number of every pixel is NaN, whichever of the two lengths is 0."""
    for lens in (Lens(0.5, 0.0, 0.5, 0.0), Lens(0.0, 0.5, 0.0, 0.5)):
        assert np.isnan(camera_embedding(MOVEMENTS["Pan Up"], 64, 48, 5, 1.0, lens)).all()


def test_focal_length_is_that_of_a_wide_video() -> None:
    """A picture narrower than 16:9 has its horizontal focal length enlarged to match."""
    x, _, z = rays("Static")[0, 3:, 24, 63]
    wanted = (63.5 - 32) / (48 * (1280 / 720) * 0.5)
    assert pytest.approx(wanted, rel=1e-6) == x / z


@pytest.mark.parametrize(
    ("name", "along"),
    [
        ("Pan Up", (0, -1, 0)),
        ("Pan Down", (0, 1, 0)),
        ("Pan Left", (-1, 0, 0)),
        ("Pan Right", (1, 0, 0)),
        ("Zoom In", (0, 0, 2)),
        ("Zoom Out", (0, 0, -2)),
    ],
)
def test_moved_camera_has_moments(name: str, along: tuple[int, int, int]) -> None:
    """The moment is the cross product of where the camera is and where a pixel looks."""
    frames = rays(name, length=5, speed=2.0)
    place = np.array(along) * 1.5 * 2.0 * 3 / 5  # at frame 3 of 5
    wanted = np.cross(place, frames[3, 3:].transpose(1, 2, 0))
    np.testing.assert_allclose(frames[3, :3].transpose(1, 2, 0), wanted, atol=1e-6)


@pytest.mark.parametrize(("name", "sign"), [("ClockWise (CW)", 1), ("Anti Clockwise (ACW)", -1)])
def test_turned_camera_turns_directions(name: str, sign: int) -> None:
    """A whole video at speed 1 turns by a third of half a turn."""
    frames = rays(name, length=5)
    before, after = (frames[index, 3:5, 0, 63] for index in (0, 4))
    turned = math.atan2(after[1], after[0]) - math.atan2(before[1], before[0])
    assert pytest.approx(sign * math.pi / 3 * 4 / 5, abs=1e-5) == turned


@pytest.mark.parametrize("length", [2, 4, 8])
def test_other_lengths_are_refused(length: int) -> None:
    """Frames come in groups of four, after the first."""
    with pytest.raises(RuntimeError, match=f"length: {length}"):
        camera_embedding(MOVEMENTS["Static"], 64, 48, length, 1.0, LENS)


def test_huge_sizes_are_refused() -> None:
    """A slip in a number does not take the machine's memory."""
    with pytest.raises(ValueError, match="width, height, length"):
        camera_embedding(MOVEMENTS["Static"], 16384, 16384, 81, 1.0, LENS)


def test_node_passes_the_size_on() -> None:
    """And knows its movements by name."""
    (node,) = NODES
    found = node.function(camera_pose="Static", width=32, height=16, length=5)
    assert isinstance(found, tuple)
    embedding, *size = found
    assert ((1, 24, 2, 16, 32), [32, 16, 5]) == (embedding.shape, size)
    with pytest.raises(KeyError, match="camera_pose: 'Sideways'"):
        node.function(camera_pose="Sideways", width=32, height=16, length=5)


def test_lens_without_focal_length_sees_nothing() -> None:
    """NaN, as in ComfyUI, not an error."""
    embedding = camera_embedding(MOVEMENTS["Static"], 16, 16, 1, 1.0, Lens(0.0, 0.5, 0.5, 0.5))
    assert not np.isfinite(embedding).all()
