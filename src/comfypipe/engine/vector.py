"""SVG values: vector pictures, as text."""

import json
import re
from dataclasses import dataclass

from comfypipe._types import JSONObject

_TAG = re.compile(r"<svg[^>]*>")


@dataclass(frozen=True, slots=True)
class Svg:
    """Vector pictures (SVG), each the text of a file."""

    pictures: tuple[str, ...]


def with_metadata(picture: str, metadata: JSONObject) -> str:
    """
    Return a picture with *metadata* as JSON in it, laid out as ComfyUI's clients find it.

    Source: ComfyUI ``nodes_images`` (0.3.64), as observed; unlike there, a ``]]>`` within does not end it.
    """
    text = json.dumps(metadata, indent=2).replace("]]>", "]]]]><![CDATA[>")
    lines = (
        "",
        "  <metadata>",
        " " * 16 + "<![CDATA[",
        " " * 12 + text,
        " " * 16 + "]]>",
        " " * 12 + "</metadata>",
        " " * 12,
    )
    return _TAG.sub(lambda tag: tag[0] + "\n".join(lines), picture)
