"""Read sound from files: anything that FFmpeg can decode, the audio track of a video as well."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.audio.sound import Audio, sound
from comfypipe.engine.media import decoded, opened

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

_SCALES = {np.dtype(np.int16): 2.0**15, np.dtype(np.int32): 2.0**31}


def read_audio(path: Path) -> Audio:
    """
    Decode the first audio track of a file; one batch item.

    Every decoded sample is kept, an encoder's priming silence too (as ComfyUI does).

    Raises:
        ValueError: There is no audio track, nothing in it, or its samples are 8-bit.
        av.error.FFmpegError: The file cannot be decoded.
    """
    with opened(path) as container:
        if not container.streams.audio:
            raise ValueError("No audio stream found in the file.")
        stream = container.streams.audio[0]
        parts = [to_float(cast("AudioFrame", frame)) for frame in decoded(container, stream)]
        if not parts:
            raise ValueError("No audio frames decoded.")
        return sound(join(parts), stream.codec_context.sample_rate)


def to_float(frame: "AudioFrame") -> NDArray[np.float32]:
    """
    Return the samples of one decoded frame, (channel, sample), float32: full scale is 1.

    Raises:
        ValueError: The samples are of a type that ComfyUI does not take either (8-bit, 64-bit integers).
    """
    samples = frame.to_ndarray()
    if frame.format.is_packed:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype not in _SCALES:
        raise ValueError(f"Unsupported wav dtype: {samples.dtype} ({frame.format.name}); convert it to 16 bits or more")
    return samples.astype(np.float32) / np.float32(_SCALES[samples.dtype])


def join(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """
    Put decoded frames behind each other: (1, channel, sample).

    Raises:
        ValueError: The number of channels changes within the track.
    """
    if len({part.shape[0] for part in parts}) > 1:
        raise ValueError("the number of audio channels changes within the file")
    return np.concatenate(parts, axis=1)[None]
