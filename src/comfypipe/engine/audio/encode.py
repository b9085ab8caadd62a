"""Write sound to files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream

LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FFmpeg's layout for a number of channels, in the order in which it decodes them."""
CHUNK = 1 << 16
"""Samples that are handed to the encoder at a time."""


@dataclass(frozen=True, slots=True)
class Codec:
    """
    How sound is compressed.

    Attributes:
        container: FFmpeg's name of the file format; also the file's suffix.
        encoder: FFmpeg's name of the encoder.
        bit_rate: In bits a second; None leaves it to the encoder.
        best_variable: Vary the bit rate, at the best quality that the encoder has.
        channels: The most it takes.
        options: Of the file format.
    """

    container: str
    encoder: str
    bit_rate: int | None = None
    best_variable: bool = False
    channels: int = 8
    options: Mapping[str, str] = field(default_factory=dict)


def write_audio(
    path: Path, samples: NDArray[np.float32], rate_hz: int, codec: Codec, metadata: Mapping[str, str]
) -> None:
    """
    Write one sound; the same one always gives the same bytes.

    Args:
        samples: (channel, sample); what is beyond -1..1 is clipped by formats of whole numbers.
        metadata: Tags of the file.

    Raises:
        ValueError: There are no samples, too many channels, or a rate that the format does not have.
    """
    import av

    _check(samples, rate_hz, codec)
    layout = LAYOUTS[samples.shape[0]]
    with av.open(path, mode="w", format=codec.container, options=dict(codec.options)) as container:
        container.metadata.update(metadata)
        stream = cast("AudioStream", container.add_stream(codec.encoder, rate=rate_hz, layout=layout))
        stream.codec_context.qscale = codec.best_variable
        if codec.bit_rate is not None:
            stream.codec_context.bit_rate = codec.bit_rate
        for frame in audio_frames(samples, rate_hz):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def audio_frames(samples: NDArray[np.float32], rate_hz: int, start: int = 0) -> Iterator["AudioFrame"]:
    """Cut (channel, sample), which begins at sample *start*, into timed frames of packed float32."""
    import av

    for begin in range(0, samples.shape[1], CHUNK):
        packed = np.ascontiguousarray(samples[:, begin : begin + CHUNK].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=LAYOUTS[samples.shape[0]])
        frame.sample_rate, frame.pts = rate_hz, start + begin
        yield frame


def _check(samples: NDArray[np.float32], rate_hz: int, codec: Codec) -> None:
    import av

    channels, count = samples.shape
    if not count:
        raise ValueError("audio: there is nothing to save, it has no samples")
    if not 1 <= channels <= codec.channels:
        raise ValueError(f"audio: {channels} channels, {codec.container} takes 1 to {codec.channels} of them")
    rates = sorted(av.Codec(codec.encoder, "w").audio_rates or ())
    if rates and rate_hz not in rates:
        listed = ", ".join(map(str, rates))
        raise ValueError(f"audio: {rate_hz} Hz is not a rate that {codec.container} has ({listed})")
