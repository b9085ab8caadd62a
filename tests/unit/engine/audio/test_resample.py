"""Sound keeps its shape at another sample rate."""

import tracemalloc
from math import ceil, gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from comfypipe.engine.audio.resample import Waveform, resample
from comfypipe.engine.pixels.fused import fma


def sine(rate_hz: int, seconds: float = 0.2, frequency_hz: float = 440) -> Waveform:
    """Return one channel of a sine of amplitude 0.5."""
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)[None, None]


def dense(waveform: NDArray[np.float64], old: int, new: int) -> NDArray[np.float64]:
    """Evaluate the windowed sinc at every sample, in float64: slow, and plainly the definition."""
    common = gcd(old, new)
    old, new = old // common, new // common
    cutoff = min(old, new) * 0.99
    places = np.arange(ceil(waveform.size * new / old)) / new
    distance = np.clip((np.arange(waveform.size) / old - places[:, None]) * cutoff, -6, 6)
    kernel = np.sinc(distance) * np.cos(distance * np.pi / 12) ** 2 * cutoff / old
    return np.asarray(kernel @ waveform)


def test_same_rate_is_the_same_sound() -> None:
    """Nothing is computed where the rates are equal."""
    waveform = sine(8000)
    assert waveform is resample(waveform, 8000, 8000)


@pytest.mark.parametrize(("old", "new"), [(22050, 44100), (44100, 48000), (48000, 8000), (44100, 44101), (7, 3)])
def test_is_the_windowed_sinc(old: int, new: int) -> None:
    """The result is that of the definition, evaluated in double precision."""
    waveform = np.random.default_rng(7).uniform(-1, 1, 300).astype(np.float32)
    expected = dense(waveform.astype(np.float64), old, new)
    np.testing.assert_allclose(resample(waveform[None, None], old, new)[0, 0], expected, atol=3e-5)


@pytest.mark.parametrize(("old", "new"), [(22050, 44100), (44100, 48000), (48000, 44100)])
def test_taps_are_added_with_one_rounding_each(old: int, new: int) -> None:
    """Two samples give what their responses give, the later one fused onto the earlier one's rounded product."""
    first, second = np.float32(0.3), np.float32(-0.7)
    impulses = np.eye(40, dtype=np.float32)[19:21]
    response, later_response = (resample(each[None, None], old, new)[0, 0] for each in impulses)
    both = resample((impulses[0] * first + impulses[1] * second)[None, None], old, new)[0, 0]
    np.testing.assert_array_equal(fma(later_response, second, response * first), both)


@pytest.mark.parametrize("new", [16000, 48000, 96000, 44101])
def test_a_tone_stays_that_tone(new: int) -> None:
    """A sine comes out as the same sine, away from the ends where there is nothing beyond to look at."""
    result, expected = resample(sine(44100), 44100, new), sine(new)
    margin = new // 100
    np.testing.assert_allclose(
        result[..., margin : expected.shape[-1] - margin], expected[..., margin:-margin], atol=2e-3
    )


@given(
    shape=st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 200)),
    old=st.integers(1, 400),
    new=st.integers(1, 400),
)
def test_length(shape: tuple[int, int, int], old: int, new: int) -> None:
    """Batch and channels stay, the length is scaled and rounded up, and silence stays silent."""
    result = resample(np.zeros(shape, np.float32), old, new)
    assert (*shape[:2], ceil(shape[2] * new / old)) == result.shape
    assert not result.any()


def test_odd_rates_need_no_large_filter() -> None:
    """Rates without a common divisor, whose dense filter would take gigabytes, take memory like the sound."""
    waveform = sine(44100, 1)
    tracemalloc.start()
    resample(waveform, 44100, 48001)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 64 * 2**20
