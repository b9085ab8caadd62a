"""What the engine offers, read from a file: checking a prompt needs no pixels, and so no numpy."""

import json
from importlib.resources import files

from comfypipe.prompt.object_info import ObjectInfo

FILENAME = "object_info.json"
"""Written by ``scripts/describe_engine.py`` from the registry; a test proves that it is current."""


def object_info() -> ObjectInfo:
    """Return the engine's own ``object_info``, with no files in its input folder."""
    return ObjectInfo(json.loads((files("comfypipe.engine") / FILENAME).read_text(encoding="utf-8")))
