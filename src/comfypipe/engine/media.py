"""Media containers, opened for reading through PyAV, which is imported only when one is; what is written into tags."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from comfypipe._types import JSON, JSONObject

if TYPE_CHECKING:
    from av.container import InputContainer


@contextmanager
def opened(path: Path) -> Iterator["InputContainer"]:
    """
    Open a media file for reading.

    Raises:
        av.error.FFmpegError: It cannot be opened or decoded, here or while it is read. The class is FFmpeg's own (such
            as ``InvalidDataError``), the message names the file.
    """
    import av

    try:
        with av.open(path, mode="r") as container:
            yield container
    except av.error.FFmpegError as error:
        message = f"cannot read {path.name}: {error.strerror or error}; is it cut short or damaged?"
        raise type(error)(error.errno or 0, message) from error


def metadata_tags(prompt: JSON, extra_pnginfo: Mapping[str, JSON] | None) -> dict[str, str]:
    """Return what is embedded into a media file: the prompt and each extra, as JSON text."""
    values: JSONObject = ({} if prompt is None else {"prompt": prompt}) | dict(extra_pnginfo or {})
    return {key: json.dumps(value) for key, value in values.items()}
