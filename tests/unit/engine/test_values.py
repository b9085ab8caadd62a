"""Values between nodes."""

from dataclasses import dataclass

import numpy as np
import pytest

from comfypipe.engine.values import compact, describe, freeze, size_bytes


def test_arrays_are_counted_once() -> None:
    """An array that occurs twice takes its memory once."""
    array = np.zeros(1_000_000, np.float32)
    assert 4_000_000 <= size_bytes([array, (array,), {"samples": array}]) < 4_010_000


def test_objects_are_looked_into() -> None:
    """A video counts its frames, whether it is a dataclass or a plain object."""

    @dataclass(frozen=True, slots=True)
    class Video:
        frames: object

    class Clip:
        def __init__(self) -> None:
            self.video = Video(np.zeros(1_000_000, np.uint8))

    assert 1_000_000 <= size_bytes(Clip()) < 1_010_000


def test_itself_containing_value_ends() -> None:
    """A value that holds itself is counted once."""
    loop: list[object] = []
    loop.append(loop)
    assert size_bytes(loop) < 1000


def test_frozen_arrays_refuse_writing() -> None:
    """A node that writes into its input gets an error, not other nodes a changed picture."""
    image = freeze(np.zeros(3, np.float32))
    audio = freeze({"waveform": np.zeros(3, np.float32), "sample_rate": 44100})
    for array in (image, audio["waveform"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_views_of_about_their_own_size_stay_views() -> None:
    """Only views that waste memory are copied."""
    array = np.zeros((2, 10), np.float32)
    half = array[:1]
    assert compact(half) is half
    assert compact(array[:, :1]).base is None


def test_description_of_inputs_in_errors() -> None:
    """Numbers and strings stay; arrays are named by shape and type."""
    image = np.zeros((1, 2, 3, 3), np.float32)
    shown = [describe(each) for each in (None, True, 7, 0.5, "x", image, {"samples": image}, [1])]
    text = "array(shape=(1, 2, 3, 3), dtype=float32)"
    assert [None, True, 7, 0.5, "x", text, str({"samples": text}), "[1]"] == shown
