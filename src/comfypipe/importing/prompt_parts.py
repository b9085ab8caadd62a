"""Parts of a prompt in API format, whatever shape it came in."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from comfypipe._types import JSON, JSONObject


def inputs_of(node: JSON) -> JSONObject:
    """Return the inputs of a node; none where it has no object of them."""
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def title_of(node: Mapping[str, JSON]) -> str | None:
    """Return ``_meta.title`` of a node, or None where it has none."""
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return title if isinstance(title, str) and title else None


def readable(text: str) -> str:
    """Return *text* in one line, without what would do something to a terminal."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)


def is_link(value: JSON) -> TypeGuard[list[Any]]:
    """Tell whether the value of an input is a link: the id of a node and the number of an output."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], int)
