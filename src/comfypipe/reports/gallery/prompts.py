"""Prompts of many runs in little space: one whole, of the others what differs from it."""

import json
from typing import TypeAlias

from comfypipe._types import JSON, JSONObject

Change: TypeAlias = list[JSON]
"""Node id, input name, value."""


class PromptTable:
    """Prompts, of which those that differ in values only share the first: 10,000 rows cost little more than one."""

    def __init__(self) -> None:
        self._shapes: dict[str, int] = {}
        self.bases: list[JSONObject] = []

    def add(self, prompt: JSONObject) -> list[JSON]:
        """Return the number of the prompt's base, and the changes that make *prompt* of it."""
        shape = json.dumps([[node_id, node.get("class_type"), *_names(node)] for node_id, node in prompt.items()])
        number = self._shapes.setdefault(shape, len(self.bases))
        if number == len(self.bases):
            self.bases.append(prompt)
        return [number, _changes(self.bases[number], prompt)]


def _names(node: JSONObject) -> list[str]:
    return list(node.get("inputs") or {})


def _changes(base: JSONObject, prompt: JSONObject) -> list[Change]:
    return [
        [node_id, name, value]
        for node_id, node in prompt.items()
        for name, value in (node.get("inputs") or {}).items()
        if value != base[node_id]["inputs"][name]
    ]
