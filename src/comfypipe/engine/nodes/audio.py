"""Nodes on sound: load, save, cut, join, mix. Source: ComfyUI ``nodes_audio`` (0.3.64)."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comfypipe._types import JSONObject
from comfypipe.engine.arrays import zeros
from comfypipe.engine.audio.decode import read_audio
from comfypipe.engine.audio.encode import Codec, write_audio
from comfypipe.engine.audio.resample import Waveform, resample
from comfypipe.engine.audio.sound import Audio, sound, unpack
from comfypipe.engine.loading import file_digest, is_file, locate, resolve_file
from comfypipe.engine.media import metadata_tags
from comfypipe.engine.registry import (
    Context,
    Folders,
    InputSpec,
    NodeClass,
    Result,
    combo,
    files,
    integer,
    number,
    outputs,
    required,
)
from comfypipe.engine.saving import SaveLocation, preview_location, save_location, written

SUFFIXES = (".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma")
"""Files that LoadAudio offers, beside videos."""
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".webm", ".wmv")

_FLAC = Codec("flac", "flac")
_MP3 = {
    "V0": Codec("mp3", "libmp3lame", best_variable=True, channels=2),
    "128k": Codec("mp3", "libmp3lame", bit_rate=128_000, channels=2),
    "320k": Codec("mp3", "libmp3lame", bit_rate=320_000, channels=2),
}
_OGG = {"fflags": "+bitexact"}  # else every file gets a serial number drawn at random
_OPUS = {
    f"{kilobits}k": Codec("opus", "libopus", bit_rate=kilobits * 1000, options=_OGG)
    for kilobits in (64, 96, 128, 192, 320)
}
_OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
_MAX_RATE_HZ = 768_000


def load_audio(audio: str, context: Context) -> tuple[Audio]:
    """
    Load the sound of an audio or video file.

    Raises:
        ValueError: There is none in it.
        av.error.FFmpegError: The file is not there, or cannot be decoded.
    """
    return (read_audio(locate(audio, context.folders)),)


def _check_file(audio: str, folders: Folders) -> str | None:
    return None if is_file(audio, folders) else f"Invalid audio file: {audio}"


def _fingerprint(audio: str, folders: Folders) -> str:
    return file_digest(resolve_file(audio, folders))


def save_flac(audio: Any, filename_prefix: str, context: Context) -> Result:
    """Save every batch item as a FLAC file of 16 bits."""
    return _save(audio, filename_prefix, _FLAC, context)


def save_mp3(audio: Any, filename_prefix: str, quality: str, context: Context) -> Result:
    """Save every batch item as an MP3 file."""
    return _save(audio, filename_prefix, _MP3[quality], context)


def save_opus(audio: Any, filename_prefix: str, quality: str, context: Context) -> Result:
    """Save every batch item as an Opus file, at the next higher rate that Opus has."""
    waveform, rate_hz = unpack(audio, "audio")
    new_rate_hz = next((each for each in _OPUS_RATES_HZ if each >= rate_hz), _OPUS_RATES_HZ[-1])
    resampled = sound(resample(waveform, rate_hz, new_rate_hz), new_rate_hz)
    return _save(resampled, filename_prefix, _OPUS[quality], context)


def preview_audio(audio: Any, context: Context) -> Result:
    """Save every batch item as a FLAC file in the folder of temporary files."""
    return _save_at(audio, preview_location(context.folders.temp), _FLAC, context, "temp")


def _save(audio: Any, prefix: str, codec: Codec, context: Context) -> Result:
    return _save_at(audio, save_location(prefix, context.folders.output), codec, context, "output")


def _save_at(audio: Any, location: SaveLocation, codec: Codec, context: Context, kind: str) -> Result:
    waveform, rate_hz = unpack(audio, "audio")
    metadata = metadata_tags(context.prompt, context.extra_pnginfo)
    entries: list[JSONObject] = []
    for index, samples in enumerate(waveform):
        name = location.name(codec.container, index)
        with written(location.folder / name) as path:
            write_audio(path, samples, rate_hz, codec, metadata)
        entries.append({"filename": name, "subfolder": location.subfolder, "type": kind})
    return Result(ui={"audio": entries})


def trim(audio: Any, start_index: float, duration: float) -> tuple[Audio]:
    """
    Cut out *duration* seconds from *start_index* on, which counts from the end where it is negative.

    Raises:
        ValueError: Nothing is left.
    """
    waveform, rate_hz = unpack(audio, "audio")
    length = waveform.shape[-1]
    start = round(start_index * rate_hz) + (length if start_index < 0 else 0)
    start = max(0, min(start, length - 1))
    end = max(0, min(start + round(duration * rate_hz), length))
    if start >= end:
        raise ValueError("AudioTrim: Start time must be less than end time and be within the audio length.")
    return (sound(waveform[..., start:end], rate_hz),)


def split_channels(audio: Any) -> tuple[Audio, Audio]:
    """
    Take stereo sound apart.

    Raises:
        ValueError: There are not two channels.
    """
    waveform, rate_hz = unpack(audio, "audio")
    if waveform.shape[1] == 1:
        raise ValueError("AudioSplit: Input audio has only one channel.")
    if waveform.shape[1] != 2:
        raise ValueError(f"AudioSplit: Input audio has {waveform.shape[1]} channels, not two.")
    return sound(waveform[:, :1], rate_hz), sound(waveform[:, 1:], rate_hz)


def concatenate(audio1: Any, audio2: Any, direction: str) -> tuple[Audio]:
    """
    Put *audio2* after or before *audio1*; mono becomes stereo, the lower rate becomes the higher.

    Raises:
        RuntimeError: Batches or channels do not fit.
    """
    first, second, rate_hz = _same_rate(audio1, audio2)
    parts = [np.repeat(each, 2, axis=1) if each.shape[1] == 1 else each for each in (first, second)]
    if parts[0].shape[:2] != parts[1].shape[:2]:
        raise RuntimeError(_misfit(first, second))
    return (sound(np.concatenate(parts if direction == "after" else parts[::-1], axis=-1), rate_hz),)


_MERGES: Mapping[str, Callable[[Waveform, Waveform], Waveform]] = {
    "add": np.add,
    "mean": lambda first, second: (first + second) / np.float32(2),
    "subtract": np.subtract,
    "multiply": np.multiply,
}


def merge(audio1: Any, audio2: Any, merge_method: str) -> tuple[Audio]:
    """
    Lay two sounds over each other: *audio2* is cut or padded to *audio1*; a result beyond full scale is scaled down.

    Raises:
        RuntimeError: Batches or channels do not fit.
    """
    first, second, rate_hz = _same_rate(audio1, audio2)
    missing = max(0, first.shape[-1] - second.shape[-1])
    second = np.pad(second[..., : first.shape[-1]], ((0, 0), (0, 0), (0, missing)))
    try:
        mixed = _MERGES[merge_method](first, second)
    except ValueError as error:  # numpy's own words are of shapes, not of sound
        raise RuntimeError(_misfit(first, second)) from error
    peak = np.abs(mixed).max(initial=np.float32(0))
    return (sound(mixed / peak if peak > 1 else mixed, rate_hz),)


def _same_rate(audio1: Any, audio2: Any) -> tuple[Waveform, Waveform, int]:
    (first, first_hz), (second, second_hz) = unpack(audio1, "audio1"), unpack(audio2, "audio2")
    rate_hz = max(first_hz, second_hz)
    return resample(first, first_hz, rate_hz), resample(second, second_hz, rate_hz), rate_hz


def _misfit(first: NDArray[np.float32], second: NDArray[np.float32]) -> str:
    return f"audio1 and audio2 do not fit: (batch, channel) is {first.shape[:2]} and {second.shape[:2]}"


def adjust_volume(audio: Any, volume: int) -> tuple[Audio]:
    """Make it louder or softer by *volume* decibels; nothing is clipped."""
    waveform, rate_hz = unpack(audio, "audio")
    return (sound(waveform * np.float32(10 ** (volume / 20)), rate_hz),)


def empty_audio(duration: float, sample_rate: int, channels: int) -> tuple[Audio]:
    """
    Make *duration* seconds of silence.

    Raises:
        ValueError: The rate is not one, or it would not fit into memory.
    """
    if not 1 <= sample_rate <= _MAX_RATE_HZ:
        raise ValueError(f"sample_rate: {sample_rate} Hz, expected 1 to {_MAX_RATE_HZ}")
    return (sound(zeros((1, channels, round(duration * sample_rate)), "duration"), sample_rate),)


_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
_AUDIO = required("AUDIO")
_SECONDS_LIMIT = 2**64 - 1


def _node(
    class_type: str,
    display_name: str,
    function: Callable[..., tuple[Any, ...] | Result],
    inputs: Mapping[str, InputSpec],
    names: tuple[str, ...] = ("AUDIO",),
    **options: Any,
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        inputs,
        outputs(*("AUDIO" for _ in names), names=names),
        category="audio",
        display_name=display_name,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module="comfy_extras.nodes_audio",
        **options,
    )


def _saver(class_type: str, display_name: str, function: Callable[..., Result], **inputs: InputSpec) -> NodeClass:
    return _node(class_type, display_name, function, {"audio": _AUDIO, **inputs}, (), output_node=True, hidden=_HIDDEN)


_PREFIX = required("STRING", default="audio/ComfyUI")

NODES: tuple[NodeClass, ...] = (
    _node(
        "LoadAudio",
        "Load Audio",
        load_audio,
        {"audio": files("", *SUFFIXES, *VIDEO_SUFFIXES, audio_upload=True)},
        validate=_check_file,
        fingerprint=_fingerprint,
    ),
    _node(
        "RecordAudio",
        "Record Audio",
        load_audio,
        {"audio": InputSpec("AUDIO_RECORD", always_options=True)},
        fingerprint=_fingerprint,
    ),
    _saver("SaveAudio", "Save Audio (FLAC)", save_flac, filename_prefix=_PREFIX),
    _saver(
        "SaveAudioMP3",
        "Save Audio (MP3)",
        save_mp3,
        filename_prefix=_PREFIX,
        quality=combo(*_MP3, default="V0"),
    ),
    _saver(
        "SaveAudioOpus",
        "Save Audio (Opus)",
        save_opus,
        filename_prefix=_PREFIX,
        quality=combo(*_OPUS, default="128k"),
    ),
    _saver("PreviewAudio", "Preview Audio", preview_audio),
    _node(
        "TrimAudioDuration",
        "Trim Audio Duration",
        trim,
        {
            "audio": _AUDIO,
            "start_index": number(0.0, -_SECONDS_LIMIT, _SECONDS_LIMIT, step=0.01),
            "duration": number(60.0, 0.0, step=0.01),
        },
    ),
    _node("SplitAudioChannels", "Split Audio Channels", split_channels, {"audio": _AUDIO}, ("left", "right")),
    _node(
        "AudioConcat",
        "Audio Concat",
        concatenate,
        {"audio1": _AUDIO, "audio2": _AUDIO, "direction": combo("after", "before", default="after")},
    ),
    _node("AudioMerge", "Audio Merge", merge, {"audio1": _AUDIO, "audio2": _AUDIO, "merge_method": combo(*_MERGES)}),
    _node(
        "AudioAdjustVolume",
        "Audio Adjust Volume",
        adjust_volume,
        {"audio": _AUDIO, "volume": InputSpec("INT", {"default": 1.0, "min": -100, "max": 100})},
    ),
    _node(
        "EmptyAudio",
        "Empty Audio",
        empty_audio,
        {
            "duration": number(60.0, 0.0, _SECONDS_LIMIT, step=0.01),
            "sample_rate": integer(44100),
            "channels": integer(2, 1, 2),
        },
    ),
)
