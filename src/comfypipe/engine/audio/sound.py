"""AUDIO values: what nodes pass to each other when they pass sound."""

from typing import Any, TypedDict

import numpy as np

from comfypipe.engine.audio.resample import Waveform


class Audio(TypedDict):
    """
    A value of type AUDIO.

    Attributes:
        waveform: (batch, channel, sample), float32, nominally -1..1; louder is kept and clipped where it is saved.
        sample_rate: In Hz.
    """

    waveform: Waveform
    sample_rate: int


def sound(waveform: Waveform, rate_hz: int) -> Audio:
    """Make an AUDIO value."""
    return {"waveform": waveform, "sample_rate": rate_hz}


def unpack(audio: Any, name: str) -> tuple[Waveform, int]:
    """
    Return waveform and sample rate of what came through input *name*.

    Raises:
        TypeError: Nothing came: a video without sound was taken apart.
        ValueError: It is not sound: another rank, another type of number, no rate.
    """
    if audio is None:
        raise TypeError(f"{name}: there is no sound (a video without an audio track gives none)")
    waveform, rate_hz = np.asarray(audio["waveform"]), int(audio["sample_rate"])
    if waveform.ndim != 3 or waveform.dtype != np.float32 or rate_hz < 1:
        raise ValueError(
            f"{name}: expected a float32 waveform of (batch, channel, sample) and a rate of at least 1 Hz,"
            f" got {waveform.dtype} {waveform.shape} at {rate_hz} Hz"
        )
    return waveform, rate_hz
