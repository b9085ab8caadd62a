"""Primitives: the output is what was typed into the node. Source: ComfyUI ``nodes_primitive`` (0.3.64)."""

from collections.abc import Callable
from typing import Any

from comfypipe.engine.registry import InputSpec, NodeClass, integer, number, outputs, required

_LIMIT = 2**63 - 1
"""Largest magnitude of a primitive number."""


def _primitive(class_type: str, display_name: str, spec: InputSpec, convert: Callable[[Any], Any]) -> NodeClass:
    # The value is converted here as well, not only by validation: a linked value arrives as whatever it is.
    def run(value: Any) -> tuple[Any]:
        return (convert(value),)

    return NodeClass(
        class_type,
        run,
        {"value": spec},
        outputs(str(spec.type)),
        schema="v3",
        category="utils/primitive",
        display_name=display_name,
        description=f"Passes on the {spec.type} that is typed in.",
        module="comfy_extras.nodes_primitive",
    )


NODES: tuple[NodeClass, ...] = (
    _primitive("PrimitiveInt", "Int", integer(None, -_LIMIT, _LIMIT, control_after_generate=True), int),
    _primitive("PrimitiveFloat", "Float", number(None, -_LIMIT, _LIMIT), float),
    _primitive("PrimitiveString", "String", required("STRING", multiline=False), str),
    _primitive("PrimitiveStringMultiline", "String (Multiline)", required("STRING", multiline=True), str),
    _primitive("PrimitiveBoolean", "Boolean", required("BOOLEAN"), bool),
)
