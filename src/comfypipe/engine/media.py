"""Media containers, opened for reading through PyAV, which is imported only when one is; what is written into tags."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from comfypipe._types import JSON, JSONObject

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


@contextmanager
def opened(path: Path) -> Iterator["InputContainer"]:
    """
    Open a media file for reading.

    Raises:
        av.error.FFmpegError: It is not there, it is none that FFmpeg knows, or it is damaged. The class is FFmpeg's own
            (such as ``InvalidDataError``), the message names the file.
    """
    import av

    with _reading(path):
        container = av.open(path, mode="r")
    with container:
        yield container


def decoded(container: "InputContainer", *streams: "VideoStream | AudioStream") -> Iterator["VideoFrame | AudioFrame"]:
    """
    Decode *streams* in the order in which the file has them.

    Raises:
        av.error.FFmpegError: As `opened`.
    """
    frames = cast("Iterator[VideoFrame | AudioFrame]", container.decode(*streams))
    while True:
        with _reading(Path(container.name)):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    import av

    try:
        yield
    except av.error.FileNotFoundError as error:
        raise type(error)(error.errno or 0, f"no such file: {path.name}") from error
    except av.error.FFmpegError as error:
        message = f"cannot read {path.name}: {error.strerror or error}; is it cut short or damaged?"
        raise type(error)(error.errno or 0, message) from error


def metadata_tags(prompt: JSON, extra_pnginfo: Mapping[str, JSON] | None) -> dict[str, str]:
    """Return what is embedded into a media file: the prompt and each extra, as JSON text."""
    values: JSONObject = ({} if prompt is None else {"prompt": prompt}) | dict(extra_pnginfo or {})
    return {key: json.dumps(value) for key, value in values.items()}
