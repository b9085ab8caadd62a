"""What an update changed, for people and for programs."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.prompt_diff import ABSENT, InputChange, NodeName, PromptDiff
from comfypipe.importing.prompt_parts import is_link, readable


@dataclass(frozen=True, slots=True)
class ValueChange:
    """A default that was one value and is another now."""

    name: str
    before: JSON
    after: JSON


@dataclass(slots=True)
class Changes:
    """
    What an update did to a workflow and its manifest.

    Attributes:
        prompt: What differs between the saves.
        added: By kind (``inputs``, ``outputs``, ``models``, ``custom_nodes``), what is new in the manifest.
        removed: By kind, what is gone from it.
        defaults: Defaults that follow the save.
        kept: Defaults that the author had changed, with what the save would have them be: they stayed.
        conflicts: Places of the template that author and save both changed: they stayed the author's.
    """

    prompt: PromptDiff
    added: dict[str, list[str]] = field(default_factory=dict)
    removed: dict[str, list[str]] = field(default_factory=dict)
    defaults: list[ValueChange] = field(default_factory=list)
    kept: list[ValueChange] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.prompt or self.added or self.removed or self.defaults or self.conflicts)

    def add(self, kind: str, name: str) -> None:
        """Note that the manifest has something new."""
        self.added.setdefault(kind, []).append(name)

    def remove(self, kind: str, name: str) -> None:
        """Note that the manifest lost something."""
        self.removed.setdefault(kind, []).append(name)

    def lines(self) -> Iterator[str]:
        """Yield the changes in words, a line each: ``+`` new, ``-`` gone, ``~`` other than before, ``=`` kept."""
        yield from prompt_lines(self.prompt)
        for kind, names in self.added.items():
            yield f"+ {kind}: {', '.join(names)}"
        for kind, names in self.removed.items():
            yield f"- {kind}: {', '.join(names)}"
        for each in self.defaults:
            yield f"~ inputs.{each.name}.default: {shown(each.before)} -> {shown(each.after)}"
        for each in self.kept:
            yours, theirs = shown(each.before), shown(each.after)
            yield f"= inputs.{each.name}.default: {yours} is yours and stays; the save has {theirs}"
        for place in self.conflicts:
            yield f"= {place} is yours and stays: the save changed the same lines"

    def to_json(self) -> JSONObject:
        """Return the changes for programs."""
        return {
            "prompt": diff_to_json(self.prompt),
            "added": self.added,
            "removed": self.removed,
            "defaults": [_to_json(each) for each in self.defaults],
            "kept": [_to_json(each) for each in self.kept],
            "conflicts": self.conflicts,
        }


def prompt_lines(diff: PromptDiff) -> Iterator[str]:
    """Yield what differs between two prompts in words, a line each."""
    for each in diff.removed:
        yield f"- node {node_text(each)}"
    for each in diff.added:
        yield f"+ node {node_text(each)}"
    for change in diff.changed:
        former = "" if change.former.id == change.node.id else f" (was {change.former.id})"
        yield f"~ node {node_text(change.node)}{former}"
        if change.node.title != change.former.title:
            yield f"    title: {shown(change.former.title)} -> {shown(change.node.title)}"
        for value in change.inputs:
            yield f"    {readable(value.name)}: {shown(value.before)} -> {shown(value.after)}"


def node_text(node: NodeName) -> str:
    """Return a node's id, class, and its title where that says more."""
    title = f' "{node.title}"' if node.title and node.title != node.class_type else ""
    return readable(f"{node.id} {node.class_type}{title}")


def shown(value: JSON) -> str:
    """Return a value as people read it: short, in one line."""
    if value is ABSENT:
        return "(none)"
    if is_link(value):
        return f"[{value[0]}, {value[1]}]"
    text = readable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 80 else f"{text[:77]}..."


def diff_to_json(diff: PromptDiff) -> JSONObject:
    """Return what differs between two prompts for programs; an input that is not there is left out."""
    return {
        "added": [_node_to_json(each) for each in diff.added],
        "removed": [_node_to_json(each) for each in diff.removed],
        "changed": [
            {
                **_node_to_json(each.node),
                "former_id": each.former.id,
                "former_title": each.former.title,
                "inputs": [_to_json(value) for value in each.inputs],
            }
            for each in diff.changed
        ],
    }


def _node_to_json(node: NodeName) -> JSONObject:
    return {"id": node.id, "class_type": node.class_type, "title": node.title}


def _to_json(change: ValueChange | InputChange) -> JSONObject:
    held = {"before": change.before, "after": change.after}
    return {"name": change.name, **{name: value for name, value in held.items() if value is not ABSENT}}
