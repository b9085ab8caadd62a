"""Copy a video into another file without compressing it again."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer

_COPIED = ("video", "audio", "subtitle")


def remux(source: "InputContainer", path: Path, metadata: Mapping[str, str]) -> None:
    """
    Copy pictures, sound and subtitles into an MP4 file, packet by packet.

    Args:
        metadata: Tags of the file, beside those that *source* has.

    Raises:
        ValueError: MP4 does not have that codec.
        av.error.FFmpegError: The source cannot be read, or MP4 cannot hold it.
    """
    import av

    try:
        _copy(source, path, metadata)
    except av.error.FFmpegError as error:
        raise type(error)(error.errno or 0, _message(source, error.strerror or str(error))) from error
    except ValueError as error:
        raise ValueError(_message(source, str(error))) from error


def _message(source: "InputContainer", reason: str) -> str:
    name = Path(source.name).name
    return f"cannot copy {name} into an MP4 file: {reason}; with the codec h264 it is compressed anew"


def _copy(source: "InputContainer", path: Path, metadata: Mapping[str, str]) -> None:
    import av

    with av.open(path, mode="w", format="mp4", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update({**source.metadata, **metadata})
        targets = {
            stream.index: container.add_stream_from_template(stream, opaque=True)
            for stream in source.streams
            if stream.type in _COPIED
        }
        for packet in source.demux():
            if packet.stream_index in targets and packet.dts is not None:
                packet.stream = targets[packet.stream_index]
                container.mux(packet)
