"""Sound survives its way through a file, and files that hold none are refused clearly."""

import io
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from comfypipe.engine.audio.decode import read_audio
from comfypipe.engine.audio.encode import Codec, write_audio

FLAC = Codec("flac", "flac")
MP3 = Codec("mp3", "libmp3lame", bit_rate=128_000, channels=2)
OPUS = Codec("opus", "libopus", bit_rate=96_000, options={"fflags": "+bitexact"})


def noise(channels: int, count: int) -> NDArray[np.float32]:
    """Return (channel, sample) of 16-bit numbers as float32."""
    return (np.random.default_rng(1).integers(-(2**15), 2**15, (channels, count)) / 2**15).astype(np.float32)


def wav(width_bytes: int, data: bytes, channels: int = 1) -> bytes:
    """Return a WAV file of 8 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width_bytes)
        file.setframerate(8000)
        file.writeframes(data)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", range(1, 9))
def test_flac_keeps_16_bits(tmp_path: Path, channels: int) -> None:
    """FLAC gives back every sample of up to eight channels, and its rate and tags."""
    samples = noise(channels, 70_000)
    write_audio(tmp_path / "a.flac", samples, 44_101, FLAC, {"prompt": '{"1": "ä"}'})
    audio = read_audio(tmp_path / "a.flac")
    assert 44_101 == audio["sample_rate"]
    np.testing.assert_array_equal(samples[None], audio["waveform"])
    with av.open(tmp_path / "a.flac") as container:
        assert '{"1": "ä"}' == container.metadata["prompt"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(samples=st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=40))
def test_flac_rounds_and_clips(tmp_path: Path, samples: list[float]) -> None:
    """Samples are rounded to 16 bits, and what is louder than full scale is clipped."""
    given_ = np.array([samples], np.float32)
    write_audio(tmp_path / "a.flac", given_, 8000, FLAC, {})
    expected = np.clip(np.rint(given_ * np.float32(2**15)), -(2**15), 2**15 - 1) / np.float32(2**15)
    np.testing.assert_array_equal(expected[None], read_audio(tmp_path / "a.flac")["waveform"])


@pytest.mark.parametrize("codec", [FLAC, MP3, OPUS], ids=lambda codec: codec.container)
def test_the_same_sound_gives_the_same_bytes(tmp_path: Path, codec: Codec) -> None:
    """Encoding is deterministic."""
    for name in ("a", "b"):
        write_audio(tmp_path / name, noise(2, 9000), 48_000, codec, {"prompt": "{}"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("message", "shape", "rate_hz", "codec"),
    [
        ("nothing to save", (2, 0), 48_000, FLAC),
        ("9 channels, flac takes 1 to 8", (9, 5), 48_000, FLAC),
        ("6 channels, mp3 takes 1 to 2", (6, 5), 48_000, MP3),
        ("96000 Hz is not a rate that mp3 has", (1, 5), 96_000, MP3),
        ("44100 Hz is not a rate that opus has", (1, 5), 44_100, OPUS),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    tmp_path: Path, message: str, shape: tuple[int, int], rate_hz: int, codec: Codec
) -> None:
    """No samples, too many channels or a rate that a format lacks are named, before a file is begun."""
    with pytest.raises(ValueError, match=message):
        write_audio(tmp_path / "a", np.zeros(shape, np.float32), rate_hz, codec, {})
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("expected", "width_bytes", "data"),
    [
        ([0.5, -1.0], 2, np.array([2**14, -(2**15)], "<i2").tobytes()),
        ([0.5, -1.0], 4, np.array([2**30, -(2**31)], "<i4").tobytes()),
        ([0.5, -1.0], 3, b"\x00\x00\x40\x00\x00\x80"),
    ],
)
def test_whole_numbers_become_parts_of_full_scale(
    tmp_path: Path, expected: list[float], width_bytes: int, data: bytes
) -> None:
    """16, 24 and 32 bits are scaled so that full scale is 1."""
    (tmp_path / "a.wav").write_bytes(wav(width_bytes, data))
    np.testing.assert_array_equal(np.array([[expected]], np.float32), read_audio(tmp_path / "a.wav")["waveform"])


def test_interleaved_channels_are_taken_apart(tmp_path: Path) -> None:
    """A stereo WAV file, whose samples alternate, gives two channels."""
    (tmp_path / "a.wav").write_bytes(wav(2, np.array([1, 10, 2, 20, 3, 30], "<i2").tobytes(), channels=2))
    waveform = read_audio(tmp_path / "a.wav")["waveform"] * 2**15
    np.testing.assert_array_equal([[[1, 2, 3], [10, 20, 30]]], waveform)


@pytest.mark.parametrize(
    ("kind", "message", "content"),
    [
        (av.error.InvalidDataError, "cannot read a.wav: Invalid data", b"no sound at all"),
        (av.error.FFmpegError, "cannot read a.wav", b""),
        (ValueError, "Unsupported wav dtype: uint8", wav(1, b"\x80\x90")),
        (ValueError, "No audio frames decoded", wav(2, b"")),
    ],
)
def test_unusable_file(tmp_path: Path, kind: type[Exception], message: str, content: bytes) -> None:
    """Bytes that are no sound, 8-bit samples and an empty file each have a message of their own."""
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(kind, match=message):
        read_audio(tmp_path / "a.wav")


def test_a_file_cut_short_gives_what_is_there(tmp_path: Path) -> None:
    """A WAV file whose end is missing gives the samples before the cut."""
    (tmp_path / "a.wav").write_bytes(wav(2, np.arange(1000, dtype="<i2").tobytes())[:-1000])
    assert (1, 1, 500) == read_audio(tmp_path / "a.wav")["waveform"].shape
