"""PreviewAny: any value as text. Source: ComfyUI ``nodes_preview_any`` (0.3.64)."""

import json
from typing import Any

from comfypipe.engine.registry import InputSpec, NodeClass, Result
from comfypipe.engine.tensor_text import value_text


def preview_any(source: Any) -> Result:
    """Show a value: text as it is, numbers as text, other values as JSON or as they print."""
    return Result(ui={"text": [_text(source)]})


def _text(source: Any) -> str:
    if source is None or isinstance(source, (str, int, float)):
        return str(source)
    try:
        return json.dumps(source)
    except (TypeError, ValueError):
        return value_text(source)


NODES: tuple[NodeClass, ...] = (
    NodeClass(
        "PreviewAny",
        preview_any,
        {"source": InputSpec("*", always_options=True)},
        (),
        output_node=True,
        category="utils",
        display_name="Preview Any",
        module="comfy_extras.nodes_preview_any",
    ),
)
