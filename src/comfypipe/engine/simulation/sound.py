"""Placeholder sound: a few soft notes that a key decides."""

from itertools import cycle

import numpy as np

from comfypipe.engine.arrays import check_size
from comfypipe.engine.audio.resample import Waveform
from comfypipe.engine.audio.sound import Audio, sound
from comfypipe.engine.simulation.pattern import numbers

RATE_HZ = 44_100
_SCALE_HZ = (220.0, 247.5, 275.0, 330.0, 371.25, 440.0, 495.0, 550.0)
"""A pentatonic scale in pure ratios."""
_NOTE_S = 0.4
_LOUDNESS = 0.18


def melody(key: bytes, seconds: float, batch: int = 1) -> Audio:
    """
    Return a melody, in stereo.

    Made of parabolas, not of sines: those differ in their last bits from machine to machine.
    """
    count = max(1, round(seconds * RATE_HZ))
    check_size((batch, 2, count), "seconds")
    waveform = np.zeros((batch, 2, count), np.float32)
    note = round(_NOTE_S * RATE_HZ)
    choices = numbers(key, 16)
    for start, choice in zip(range(0, count, note), cycle(choices), strict=False):
        stop = min(start + note, count)
        waveform[..., start:stop] = _tone(_SCALE_HZ[int(choice * 7.99)], stop - start, note)
    return sound(waveform, RATE_HZ)


def _tone(frequency_hz: float, count: int, length: int) -> Waveform:
    phase = np.arange(count) * (frequency_hz / RATE_HZ)
    phase = (phase - np.floor(phase)) * 2 - 1
    wave = 4 * phase * (1 - np.abs(phase))
    envelope = np.minimum(np.arange(count) / 800, (length - np.arange(count)) / length)
    tone: Waveform = (wave * np.clip(envelope, 0, 1) * _LOUDNESS).astype(np.float32)
    return tone
