"""Binary frames of ComfyUI's socket: a big-endian number that says what it is, then the content."""

import json
from struct import pack

from comfypipe._types import JSONObject

_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4
_JPEG, _PNG = 1, 2


def image_type(image: bytes) -> str:
    """Return the media type of an encoded picture: JPEG, unless it is a PNG."""
    return "image/png" if image.startswith(b"\x89PNG") else "image/jpeg"


def preview_frame(image: bytes, metadata: JSONObject | None = None) -> bytes:
    """Return the frame of a preview; without metadata in the form that older clients read."""
    if metadata is None:
        return pack(">II", _PREVIEW, _PNG if image_type(image) == "image/png" else _JPEG) + image
    text = json.dumps(metadata).encode()
    return pack(">II", _PREVIEW_WITH_METADATA, len(text)) + text + image


def text_frame(node_id: str, text: str) -> bytes:
    """Return the frame of a line of text on a node."""
    name = node_id.encode(errors="replace")
    return pack(">II", _TEXT, len(name)) + name + text.encode(errors="replace")
