"""Literal inputs as ComfyUI takes them: converted to what the class declares."""

from collections.abc import Mapping

from msgspec.structs import replace

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.registry import NodeClass
from comfypipe.prompt.graph import Link, Node, PromptGraph
from comfypipe.prompt.inputs import convert_literal


def convert_literals(graph: PromptGraph, classes: Mapping[str, NodeClass]) -> PromptGraph:
    """
    Return *graph* with its literals converted to ``int``, ``float``, ``str`` or ``bool`` where that is declared.

    ``{"__value__": …}`` becomes its value. What cannot be converted stays: validation names it.

    Source: ComfyUI ``execution.py``, ``validate_inputs`` (0.3.64).
    """
    nodes = {
        node.id: _convert_node(node, classes[node.class_type]) if node.class_type in classes else node
        for node in graph.nodes.values()
    }
    return PromptGraph(nodes)


def with_literals(document: JSONObject, graph: PromptGraph) -> JSONObject:
    """Return a copy of *document* (API format) that holds the literals of *graph*, everything else as it was."""
    return {str(node_id): _node_with_literals(raw, graph.nodes[str(node_id)]) for node_id, raw in document.items()}


def _convert_node(node: Node, node_class: NodeClass) -> Node:
    changed = {}
    for name, value in node.inputs.items():
        spec = node_class.inputs.get(name)
        if spec is not None and not isinstance(value, Link):
            converted = _convert(value, spec.type)
            if converted is not value:  # most are as they should be: their nodes stay as they are
                changed[name] = converted
    return replace(node, inputs={**node.inputs, **changed}) if changed else node


def _convert(value: JSON, kind: str | tuple[JSON, ...]) -> JSON:
    if isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]
    try:
        return convert_literal(kind, value) if isinstance(kind, str) else value
    except (TypeError, ValueError, OverflowError):
        return value


def _node_with_literals(raw: JSONObject, node: Node) -> JSONObject:
    if "inputs" not in raw:
        return dict(raw)
    inputs = {
        name: raw["inputs"][name] if isinstance(node.inputs[name], Link) else node.inputs[name]
        for name in raw["inputs"]
    }
    return {**raw, "inputs": inputs}
