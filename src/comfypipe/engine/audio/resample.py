"""Change the sample rate of sound by windowed-sinc interpolation."""

from math import ceil, gcd
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.pixels.fused import rounded

Waveform: TypeAlias = NDArray[np.float32]
"""(batch, channel, sample), float32, nominally -1..1."""

ZERO_CROSSINGS = 6
"""Half the length of the filter, in zero crossings of its sinc."""
ROLLOFF = 0.99
"""Cut-off frequency, as a part of the lower of the two Nyquist frequencies."""
BLOCK = 1 << 15
"""Output samples that are worked on at a time, so that they stay in the processor's cache."""


def resample(waveform: Waveform, rate_hz: int, new_rate_hz: int) -> Waveform:
    """
    Return *waveform* at another rate.

    A sinc of 6 zero crossings a side under a Hann window, cut off at 0.99 of the lower Nyquist frequency, evaluated in
    float32: the defaults of ``torchaudio.functional.resample``. Only taps under the window are computed, so memory is
    that of the result whatever the two rates are (an odd pair of rates has one filter for each output phase).

    Args:
        waveform: (batch, channel, sample), float32.
        rate_hz: Of *waveform*; at least 1.
        new_rate_hz: Of the result; at least 1.

    Returns:
        (batch, channel, ceil(sample * new_rate_hz / rate_hz)).

    Source: J. O. Smith, "Digital Audio Resampling Home Page"; parameters as documented by torchaudio.
    """
    if rate_hz == new_rate_hz:
        return waveform
    common = gcd(rate_hz, new_rate_hz)
    old, new = rate_hz // common, new_rate_hz // common
    length = ceil(waveform.shape[-1] * new / old)
    taps, width = _filters(old, new)
    padded = np.pad(waveform, ((0, 0), (0, 0), (width, width + old)))
    result = np.zeros((*waveform.shape[:2], length), np.float32)
    for begin in range(0, length, BLOCK):
        places = np.arange(begin, min(begin + BLOCK, length), dtype=np.int64)
        weights = [tap.take(places % new) for tap in taps]
        starts = places * old // new
        for batch, channel in np.ndindex(waveform.shape[:2]):
            _add_taps(padded[batch, channel], starts, weights, result[batch, channel, begin : begin + BLOCK])
    return result


def _add_taps(
    samples: NDArray[np.float32],
    starts: NDArray[np.int64],
    weights: list[NDArray[np.float32]],
    out: NDArray[np.float32],
) -> None:
    # A fused multiply-add a tap, as PyTorch's convolution has it: the product is exact in float64, the sum is rounded.
    picked, total = np.empty(len(starts), np.float32), np.empty(len(starts), np.float64)
    for index, weight in enumerate(weights):
        samples[index:].take(starts, out=picked, mode="clip")  # all are inside; other modes go through a copy
        np.multiply(picked, weight, out=total, dtype=np.float64)
        np.add(total, out, out=total)
        np.copyto(out, total, casting="same_kind")


def _filters(old: int, new: int) -> tuple[NDArray[np.float32], int]:
    """Return one filter for each of *new* output phases, (2 * width + 1, new), and how far it reaches to each side."""
    cutoff = min(old, new) * ROLLOFF
    width = ceil(ZERO_CROSSINGS * old / cutoff)
    phase = np.arange(new, dtype=np.int64)
    sample = phase * old // new + np.arange(-width, width + 1)[:, None]
    time = (-phase.astype(np.float32) / np.float32(new) + sample.astype(np.float32) / np.float32(old)).astype(
        np.float32
    )
    time = np.clip(time * np.float32(cutoff), -ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.square(rounded(np.cos, time * np.float32(np.pi) / np.float32(ZERO_CROSSINGS) / np.float32(2)))
    angle = time * np.float32(np.pi)
    with np.errstate(invalid="ignore"):
        sinc = np.where(angle == 0, np.float32(1), rounded(np.sin, angle) / angle)
    return (sinc * (window * np.float32(cutoff / old))).astype(np.float32), width
