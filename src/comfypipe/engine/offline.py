"""What the engine offers, read from a file: checking a prompt needs no pixels, and so no numpy."""

import json
from importlib.resources import files

from comfypipe.prompt.object_info import ObjectInfo

FILENAME = "object_info.json"
"""Written by ``scripts/describe_engine.py`` from the registry; a test proves that it is current."""


MISSING_HINT = (
    "the embedded engine runs the nodes that need no model; for this one name a ComfyUI server: "
    "--backend http://HOST:8188, or let it be stood in for: --backend simulate:"
)


_OF_SERVERS = "KSamplerSelect"
"""A class whose choices come with a server's version: without its catalog nothing is known of them."""


def object_info() -> ObjectInfo:
    """Return the engine's own ``object_info``, with no files in its input, as far as it holds for servers too."""
    raw = json.loads((files("comfypipe.engine") / FILENAME).read_text(encoding="utf-8"))
    raw.pop(_OF_SERVERS)
    return ObjectInfo(raw, missing_hint=MISSING_HINT)
