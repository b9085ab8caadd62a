"""What is said of nodes as a whole: broken links, cycles, failed checks, missing classes."""

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from comfypipe._types import JSONObject
from comfypipe.diagnostics import did_you_mean
from comfypipe.prompt.graph import Link, Node
from comfypipe.prompt.inputs import input_config
from comfypipe.prompt.object_info import InputInfo, ObjectInfo
from comfypipe.prompt.validation import MISSING_CLASS, NodeError

Reader: TypeAlias = tuple[InputInfo | None, str, Link]
"""A linked input: its declaration (None where the class is unknown), its name, its link."""

_LONG_CYCLE = 8


def exception_error(node: Node, error: Exception, reader: Reader | None) -> NodeError:
    """
    Return what ComfyUI says of a node at which its own validation breaks off with *error*.

    Args:
        reader: The input that was being followed, with its declaration and its link; None at an output node.
    """
    name = type(error).__name__
    if reader is None:
        extra: JSONObject = {"exception_type": name, "traceback": []}
        kind, message = "exception_during_validation", "Exception when validating node"
        return NodeError(node.id, node.class_type, kind, message, str(error), extra, _link_hint(error))
    declared, input_name, link = reader
    extra = {
        "input_name": input_name,
        "input_config": None if declared is None else input_config(declared),
        "exception_message": str(error),
        "exception_type": name,
        "traceback": [],
        "linked_node": [link.node_id, link.slot],
    }
    kind, message = "exception_during_inner_validation", "Exception when validating inner node"
    return NodeError(node.id, node.class_type, kind, message, str(error), extra, _link_hint(error))


def _link_hint(error: Exception) -> str | None:
    match error:
        case KeyError(args=("inputs",)):
            return 'the node has no "inputs"'
        case KeyError(args=(int() as node_id,)):
            return f'node ids in links are strings: write "{node_id}"'
        case KeyError(args=(node_id,)):
            return f"a link leads to node {node_id}, which is not in the prompt"
        case IndexError():
            return "a link leads to an output slot that the node does not have"
        case _:
            return None


class Cycle(Struct, frozen=True):
    """Nodes that wait for each other, beginning with the one at which the way from an output came back."""

    node_ids: list[str]
    way: str

    @classmethod
    def of(cls, nodes: Sequence[Node]) -> "Cycle":
        """Describe a cycle; a long one by its ends."""
        named = [f"{each.id} ({each.class_type})" for each in nodes]
        if len(named) > _LONG_CYCLE:
            named = [*named[: _LONG_CYCLE - 1], "…", named[-1]]
        return cls([each.id for each in nodes], " -> ".join((*named, named[0])))


def cycle_error(node: Node, cycle: Cycle) -> NodeError:
    """Return what newer versions say of a node that waits for itself."""
    extra: JSONObject = {"node_id": node.id, "cycle_nodes": cycle.node_ids}
    hint = "remove one link of the cycle"
    return NodeError(node.id, node.class_type, "dependency_cycle", "Dependency cycle detected", cycle.way, extra, hint)


def custom_error(node: Node, message: str) -> NodeError:
    """Return what is said when a class's own check fails; *message* is ``"input - what is wrong"``."""
    extra: JSONObject = {"input_name": message.partition(" - ")[0]}
    kind = "custom_validation_failed"
    return NodeError(node.id, node.class_type, kind, "Custom validation failed for node", message, extra)


def missing_class_errors(nodes: Sequence[Node], info: ObjectInfo) -> tuple[NodeError, ...]:
    """Return what is said of nodes whose class the server does not have."""
    classes = {node.class_type for node in nodes}
    hints = {name: did_you_mean(name, info, likeness=0.75) or info.missing_hint for name in classes}
    return tuple(_missing_class_error(node, hints[node.class_type]) for node in nodes)


def _missing_class_error(node: Node, hint: str) -> NodeError:
    details = f"Node ID '#{node.id}'"
    message = f"Cannot execute because node {node.class_type} does not exist."
    return NodeError(node.id, node.class_type, MISSING_CLASS, message, details, {}, hint)
