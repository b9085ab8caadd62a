"""Audio nodes cut, join, mix, load and save as ComfyUI's do."""

import json
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from comfypipe.engine.audio.sound import Audio, sound
from comfypipe.engine.nodes.audio import NODES
from comfypipe.engine.registry import Context, Registry, Result

REGISTRY = Registry(NODES)


def run(class_type: str, **inputs: Any) -> Any:
    """Call a node and return its only output, or all of them."""
    result = REGISTRY[class_type].function(**inputs)
    assert isinstance(result, tuple)
    return result[0] if len(result) == 1 else result


def tone(*channels: list[float], rate_hz: int = 10) -> Audio:
    """Return one batch item of the given channels."""
    return sound(np.array([channels], np.float32), rate_hz)


def samples(audio: Audio) -> list[list[float]]:
    """Return the channels of the first batch item."""
    first: NDArray[np.float32] = audio["waveform"][0]
    return [[float(each) for each in channel] for channel in first]


@pytest.mark.parametrize(
    ("expected", "start_index", "duration"),
    [
        ([1, 2], 0.1, 0.2),
        ([2, 3], -0.2, 60.0),
        ([0, 1, 2, 3], -9.0, 60.0),
        ([3], 9.0, 60.0),
        ([0, 1, 2, 3], 0.0, 2.0**64),
    ],
)
def test_trim(expected: list[float], start_index: float, duration: float) -> None:
    """Places are rounded to samples, counted from the end where negative, and kept inside the sound."""
    audio = run("TrimAudioDuration", audio=tone([0, 1, 2, 3]), start_index=start_index, duration=duration)
    assert [expected] == samples(audio)


@pytest.mark.parametrize("audio", [tone([0, 1]), tone([])])
def test_trim_to_nothing(audio: Audio) -> None:
    """Nothing left is an error in ComfyUI's words."""
    with pytest.raises(ValueError, match="AudioTrim: Start time must be less than end time"):
        run("TrimAudioDuration", audio=audio, start_index=0.0, duration=0.0)


def test_split_gives_left_and_right() -> None:
    """Stereo comes apart into two mono sounds; anything else is refused."""
    left, right = run("SplitAudioChannels", audio=tone([1, 2], [3, 4]))
    assert [[1, 2]] == samples(left)
    assert [[3, 4]] == samples(right)
    with pytest.raises(ValueError, match="Input audio has only one channel"):
        run("SplitAudioChannels", audio=tone([1]))
    with pytest.raises(ValueError, match="has 3 channels, not two"):
        run("SplitAudioChannels", audio=tone([1], [2], [3]))


def test_concatenate_makes_mono_stereo() -> None:
    """Mono is doubled, even beside mono, and the direction says what comes first."""
    first, second = tone([1, 2]), tone([3], [4])
    assert [[1, 2, 3], [1, 2, 4]] == samples(run("AudioConcat", audio1=first, audio2=second, direction="after"))
    assert [[3, 1, 2], [4, 1, 2]] == samples(run("AudioConcat", audio1=first, audio2=second, direction="before"))
    assert [[1, 2, 1, 2]] * 2 == samples(run("AudioConcat", audio1=first, audio2=first, direction="after"))


def test_concatenate_raises_the_lower_rate() -> None:
    """The result has the higher of the two rates."""
    audio = run("AudioConcat", audio1=tone([0] * 10), audio2=tone([0] * 20, rate_hz=20), direction="after")
    assert 20 == audio["sample_rate"]
    assert (1, 2, 40) == audio["waveform"].shape


@pytest.mark.parametrize(
    ("expected", "merge_method", "second"),
    [
        ([0.75, 0.5], "add", [0.25]),
        ([0.375, 0.25], "mean", [0.25, 0.0, 9.0]),
        ([0.25, 0.5], "subtract", [0.25]),
        ([0.125, 0.0], "multiply", [0.25]),
        ([1.0, 0.5], "add", [1.5, 0.5]),
    ],
)
def test_merge(expected: list[float], merge_method: str, second: list[float]) -> None:
    """The second sound is cut or padded to the first, and a peak beyond full scale brings all of it down."""
    audio = run("AudioMerge", audio1=tone([0.5, 0.5]), audio2=tone(second), merge_method=merge_method)
    assert [expected] == samples(audio)


def test_merge_of_nothing() -> None:
    """Two empty sounds make an empty one."""
    assert [[]] == samples(run("AudioMerge", audio1=tone([]), audio2=tone([1]), merge_method="add"))


@pytest.mark.parametrize("class_type", ["AudioConcat", "AudioMerge"])
def test_sounds_that_do_not_fit(class_type: str) -> None:
    """Numbers of channels that cannot be brought together are named."""
    how = {"AudioConcat": {"direction": "after"}, "AudioMerge": {"merge_method": "add"}}[class_type]
    with pytest.raises(RuntimeError, match=r"audio1 and audio2 do not fit: .* is \(1, 2\) and \(1, 3\)"):
        run(class_type, audio1=tone([1], [2]), audio2=tone([1], [2], [3]), **how)


def test_volume_is_in_decibels() -> None:
    """20 dB is ten times as loud, with no clipping."""
    assert [[5.0, -10.0]] == samples(run("AudioAdjustVolume", audio=tone([0.5, -1.0]), volume=20))


def test_empty_audio() -> None:
    """Silence has the rounded number of samples, down to none."""
    assert (1, 2, 3) == run("EmptyAudio", duration=0.25, sample_rate=13, channels=2)["waveform"].shape
    assert (1, 1, 0) == run("EmptyAudio", duration=0.0, sample_rate=44100, channels=1)["waveform"].shape


@pytest.mark.parametrize(
    ("message", "inputs"),
    [
        ("duration: .* would take .* GiB", {"duration": 2.0**64, "sample_rate": 44100}),
        ("sample_rate: 0 Hz, expected 1 to", {"duration": 1.0, "sample_rate": 0}),
        ("sample_rate: -5 Hz", {"duration": 1.0, "sample_rate": -5}),
    ],
)
def test_empty_audio_refuses(message: str, inputs: dict[str, Any]) -> None:
    """A duration beyond all memory and a rate that is none are refused at once."""
    with pytest.raises(ValueError, match=message):
        run("EmptyAudio", channels=2, **inputs)


@pytest.mark.parametrize(
    ("kind", "message", "audio"),
    [
        (TypeError, "audio: there is no sound", None),
        (
            ValueError,
            r"audio: expected a float32 waveform .* got float32 \(2, 3\)",
            sound(np.zeros((2, 3), np.float32), 8),
        ),
        (ValueError, r"got int16 \(1, 2, 3\)", {"waveform": np.zeros((1, 2, 3), "i2"), "sample_rate": 8}),
        (ValueError, "at 0 Hz", sound(np.zeros((1, 2, 3), np.float32), 0)),
    ],
)
def test_what_is_not_sound(kind: type[Exception], message: str, audio: Any) -> None:
    """No value, a wrong rank, a wrong type of numbers and a wrong rate are named with the input."""
    with pytest.raises(kind, match=message):
        run("AudioAdjustVolume", audio=audio, volume=1)


def test_saved_sound_loads_again(context: Context) -> None:
    """Every batch item becomes a file with a number of its own, which LoadAudio reads back exactly."""
    audio = sound((np.arange(12) / 16).astype(np.float32).reshape(2, 2, 3), 8000)
    result = REGISTRY["SaveAudio"].function(audio=audio, filename_prefix="take/a", context=context)
    expected = [{"filename": f"a_0000{n}_.flac", "subfolder": "take", "type": "output"} for n in (1, 2)]
    assert Result(ui={"audio": expected}) == result
    for item, waveform in zip(
        ("take/a_00001_.flac [output]", "take/a_00002_.flac[output]"), audio["waveform"], strict=True
    ):
        loaded = run("LoadAudio", audio=item, context=context)
        assert 8000 == loaded["sample_rate"]
        np.testing.assert_array_equal(waveform[None], loaded["waveform"])


@pytest.mark.parametrize(
    ("suffix", "class_type", "inputs"),
    [
        ("mp3", "SaveAudioMP3", {"filename_prefix": "a", "quality": "V0"}),
        ("mp3", "SaveAudioMP3", {"filename_prefix": "a", "quality": "320k"}),
        ("opus", "SaveAudioOpus", {"filename_prefix": "a", "quality": "64k"}),
        ("flac", "PreviewAudio", {}),
    ],
)
def test_other_formats(suffix: str, class_type: str, inputs: dict[str, Any], context: Context) -> None:
    """MP3, Opus and previews are files that hold about the same sound."""
    time = np.arange(44100) / 44100
    audio = sound((0.4 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None, None], 44100)
    result = REGISTRY[class_type].function(audio=audio, context=context, **inputs)
    assert isinstance(result, Result)
    assert result.ui is not None
    (entry,) = result.ui["audio"]
    assert entry["filename"].endswith(f".{suffix}")
    assert ("temp" if class_type == "PreviewAudio" else "output") == entry["type"]
    loaded = run("LoadAudio", audio=f"{entry['filename']} [{entry['type']}]", context=context)
    assert pytest.approx(0.4 / np.sqrt(2), rel=0.03) == float(np.sqrt(np.mean(loaded["waveform"] ** 2)))


def test_prompt_is_embedded(context: Context) -> None:
    """A saved file carries the prompt and the workflow that it came from."""
    REGISTRY["SaveAudio"].function(audio=tone([0.0] * 99, rate_hz=8000), filename_prefix="a", context=context)
    with av.open(context.folders.output / "a_00001_.flac") as container:
        tags = dict(container.metadata)
    assert context.prompt == json.loads(tags["prompt"])
    assert {"nodes": []} == json.loads(tags["workflow"])


def test_failed_save_leaves_nothing(context: Context) -> None:
    """Where a sound cannot be saved no file is left behind."""
    with pytest.raises(ValueError, match="no samples"):
        REGISTRY["SaveAudio"].function(audio=tone([]), filename_prefix="a", context=context)
    assert [] == list(context.folders.output.iterdir())


def test_missing_file_fails_validation(context: Context) -> None:
    """A file that is not there is found out before execution, in ComfyUI's words."""
    check = REGISTRY["LoadAudio"].validate
    assert check is not None
    assert "Invalid audio file: nope.wav" == check(audio="nope.wav", folders=context.folders)
    (context.folders.input / "a.wav").touch()
    assert check(audio="a.wav", folders=context.folders) is None


@pytest.mark.parametrize("class_type", ["LoadAudio", "RecordAudio"])
def test_file_that_went_away(class_type: str, context: Context) -> None:
    """A file that is gone when its node runs is FFmpeg's own class of error, as in ComfyUI."""
    with pytest.raises(av.error.FileNotFoundError, match=r"no such file: gone\.wav"):
        run(class_type, audio="gone.wav", context=context)


def test_fingerprint_follows_the_bytes(context: Context) -> None:
    """The cache sees another file where the same name holds other bytes."""
    fingerprint = REGISTRY["LoadAudio"].fingerprint
    assert fingerprint is not None
    seen = []
    for content in (b"one", b"two"):
        (context.folders.input / "a.wav").write_bytes(content)
        seen.append(fingerprint(audio="a.wav", folders=context.folders))
    assert seen[0] != seen[1]
