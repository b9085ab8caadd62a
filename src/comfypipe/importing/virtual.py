"""Nodes that only the editor has: they shape the prompt and are never in it."""

from comfypipe._types import JSON
from comfypipe.importing.layout import UNSET
from comfypipe.importing.ui_graph import UINode
from comfypipe.importing.values import as_double, as_text

PRIMITIVE = "PrimitiveNode"
SETTERS = frozenset(("SetNode", "easy setNode"))
GETTERS = frozenset(("GetNode", "easy getNode"))
REROUTES = frozenset(("Reroute", "Reroute (rgthree)"))
_SILENT = frozenset(
    (
        "Note",
        "MarkdownNote",
        "Label (rgthree)",
        "Bookmark (rgthree)",
        "Fast Muter (rgthree)",
        "Fast Bypasser (rgthree)",
        "Fast Groups Muter (rgthree)",
        "Fast Groups Bypasser (rgthree)",
        "Fast Actions Button (rgthree)",
        "Mute / Bypass Relay (rgthree)",
        "Mute / Bypass Repeater (rgthree)",
        "Random Unmuter (rgthree)",
        "Node Collector (rgthree)",
    )
)
VIRTUAL = frozenset((PRIMITIVE, *SETTERS, *GETTERS, *REROUTES, *_SILENT))
"""Types of nodes that the editor, or one of its common extensions, keeps to itself."""


def variable_name(node: UINode) -> str:
    """Return the name under which a setter and its getters find each other."""
    return as_text(node.values[0] if node.values else node.properties.get("previousName"))


def primitive_value(node: UINode) -> JSON:
    """Return the value of a primitive node, or `UNSET` where none is saved: it then has its target's."""
    return as_double(node.values[0]) if node.values else UNSET
