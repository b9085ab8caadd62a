"""Values into an export: by node id or title, the export itself stays untouched."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from comfypipe._types import JSON, JSONObject
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import PromptInvalid


class Target(NamedTuple):
    """An input of a node."""

    node_id: str
    input_name: str


def bind(document: JSONObject, values: Mapping[str, JSON]) -> JSONObject:
    """
    Return a copy of a prompt in API format with *values* in their places; a link that stood there gives way.

    Args:
        values: By reference: ``"6.inputs.text"`` or ``"6.text"``, with the node's title in place of its id where only
            one node has it (``"Positive prompt.text"``). A list is written ``{"__value__": [...]}``, as the editor
            does, since ComfyUI takes bare lists for links.

    Raises:
        PromptInvalid: A reference leads nowhere, or to more than one input.
    """
    bound = dict(document)
    for reference, value in values.items():
        node_id, input_name = resolve(document, reference)
        node = bound[node_id]
        inputs = {**node["inputs"], input_name: {"__value__": value} if isinstance(value, list) else value}
        bound[node_id] = {**node, "inputs": inputs}
    return bound


def resolve(document: JSONObject, reference: str) -> Target:
    """
    Return the input that *reference* names.

    Titles and names of inputs may hold dots themselves: every way of reading the reference is tried.

    Raises:
        PromptInvalid: None fits, or more than one does.
    """
    found = dict.fromkeys(
        Target(node_id, name)
        for node, name in _readings(reference)
        for node_id in _nodes_called(document, node)
        if name in _inputs(document[node_id])
    )
    if len(found) == 1:
        return next(iter(found))
    if found:
        places = ", ".join(f"{target.node_id}.inputs.{target.input_name}" for target in found)
        raise PromptInvalid(f'"{reference}" fits {len(found)} inputs: {places}', hint="use the node's id")
    message, hint = _unknown(document, reference)
    raise PromptInvalid(message, hint=hint)


def _readings(reference: str) -> Iterator[tuple[str, str]]:
    """Yield the ways to read *reference* as a node and an input of it."""
    for at, character in enumerate(reference):
        if character == ".":
            node, name = reference[:at], reference[at + 1 :]
            yield node, name
            if name.startswith("inputs."):
                yield node, name.removeprefix("inputs.")


def _nodes_called(document: JSONObject, name: str) -> list[str]:
    """Return the node of that id, else all of that title."""
    if name in document:
        return [name]
    return [node_id for node_id, node in document.items() if _title(node) == name]


def _unknown(document: JSONObject, reference: str) -> tuple[str, str | None]:
    """Return message and hint for a reference that leads nowhere."""
    for node, name in _readings(reference):
        ids = _nodes_called(document, node)
        if ids:
            offered = _inputs(document[ids[0]])
            names = ", ".join(offered) or "none"
            hint = did_you_mean(name.removeprefix("inputs."), offered) or f"its inputs: {names}"
            return f'"{reference}": node {ids[0]} has no input "{name.removeprefix("inputs.")}"', hint
    if "." not in reference:
        return f'"{reference}" names no input', 'write "NODE.inputs.NAME", with the id or the title of a node'
    node = next(_readings(reference))[0]
    called = [*document, *filter(None, map(_title, document.values()))]
    return f'"{reference}": no node has the id or title "{node}"', did_you_mean(node, called)


def _title(node: JSON) -> str | None:
    meta = node.get("_meta") if isinstance(node, dict) else None
    title = meta.get("title") if isinstance(meta, dict) else None
    return title if isinstance(title, str) else None


def _inputs(node: JSON) -> JSONObject:
    inputs = node.get("inputs") if isinstance(node, dict) else None
    return inputs if isinstance(inputs, dict) else {}
