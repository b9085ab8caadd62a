"""
Marks that a prompt takes along, since the API gives back neither an id of ours nor the node that saved a file.

A `_meta` field, which servers pass over, holds the id of the attempt; and file names begin with the node that saves.
"""

import re
from collections.abc import Iterator, Mapping

from comfypipe._types import JSON, JSONObject

MARK = "comfypipe"
"""Key below ``_meta`` of the first node: its value is the ``prompt_id``."""

_TOKEN = re.compile(r"cp-(?:n([A-Za-z0-9]+)|x((?:[0-9a-f]{2})+))-(.+)", re.DOTALL)


def marked(prompt: JSONObject, prompt_id: str) -> JSONObject:
    """Return *prompt* with the id of the attempt in it, and with file names that tell which node saved them."""
    nodes = {node_id: _with_token(node, node_id) for node_id, node in prompt.items()}
    first = next(iter(nodes), None)
    if first is not None and isinstance(nodes[first], dict):
        meta = nodes[first].get("_meta")
        nodes[first] = nodes[first] | {"_meta": (meta if isinstance(meta, dict) else {}) | {MARK: prompt_id}}
    return nodes


def is_marked(prompt: JSON, prompt_id: str) -> bool:
    """Whether a prompt that came back bears the mark of this attempt; an order of nodes is not relied on."""
    return any(prompt_id == mark for mark in _marks(prompt))


def _marks(prompt: JSON) -> Iterator[JSON]:
    for node in prompt.values() if isinstance(prompt, dict) else ():
        meta = node.get("_meta") if isinstance(node, dict) else None
        if isinstance(meta, dict) and MARK in meta:
            yield meta[MARK]


def read_name(filename: str) -> tuple[str | None, str]:
    """Return the node that saved a file, where its name tells, and the name without the mark."""
    found = _TOKEN.fullmatch(filename)
    if found is None:
        return None, filename
    plain, encoded, rest = found.groups()
    return plain or bytes.fromhex(encoded).decode("utf-8", "replace"), rest


def saving_nodes(prompt: JSON) -> tuple[str, ...]:
    """Return the nodes that save files whose names cannot tell: the prefix is a link, or there is none."""
    nodes: Mapping[str, JSON] = prompt if isinstance(prompt, dict) else {}
    return tuple(node_id for node_id, node in nodes.items() if isinstance(node, dict) and _saves_unmarked(node))


def _saves_unmarked(node: JSONObject) -> bool:
    inputs = node.get("inputs")
    prefix = inputs.get("filename_prefix") if isinstance(inputs, dict) else None
    return not isinstance(prefix, str) and (prefix is not None or str(node.get("class_type")).startswith("Save"))


def _with_token(node: JSON, node_id: str) -> JSON:
    inputs = node.get("inputs") if isinstance(node, dict) else None
    prefix = inputs.get("filename_prefix") if isinstance(inputs, dict) else None
    if not isinstance(inputs, dict) or not isinstance(prefix, str):
        return node
    folder, slash, name = prefix.rpartition("/")
    token = f"n{node_id}" if re.fullmatch(r"[A-Za-z0-9]+", node_id) else f"x{node_id.encode('utf-8', 'replace').hex()}"
    return node | {"inputs": inputs | {"filename_prefix": f"{folder}{slash}cp-{token}-{name or 'file'}"}}
