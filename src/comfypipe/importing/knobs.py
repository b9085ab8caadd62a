"""Values that the editor shows once for several inputs: those of primitives and of subgraphs' inputs."""

from collections.abc import Mapping
from dataclasses import dataclass

from comfypipe._types import JSONObject
from comfypipe.importing.prompt_parts import inputs_of
from comfypipe.importing.space import Space
from comfypipe.importing.ui_graph import UINode


@dataclass(frozen=True, slots=True)
class Knob:
    """
    One value that the editor shows once, however many inputs of the prompt have it.

    Attributes:
        name: Of the subgraph's input, as it is labelled; ``value`` of a primitive.
        title: Of the primitive or of the subgraph's instance, where its author gave one.
        targets: Node and input of the prompt.
    """

    name: str
    title: str | None
    targets: tuple[tuple[str, str], ...]


def still_true(knobs: Mapping[tuple[str, str], Knob], prompt: JSONObject) -> Mapping[tuple[str, str], Knob]:
    """Return those of *knobs* whose inputs all have one literal value in *prompt*."""
    found: dict[tuple[str, str], Knob] = {}
    for name, knob in knobs.items():
        inputs = [inputs_of(prompt.get(node_id)) for node_id, _ in knob.targets]
        if all(slot in held for held, (_, slot) in zip(inputs, knob.targets, strict=True)):
            values = [held[slot] for held, (_, slot) in zip(inputs, knob.targets, strict=True)]
            if not isinstance(values[0], list) and all(each == values[0] for each in values):
                found[name] = knob
    return found


class KnobBoard:
    """Collects, while a prompt is made, which inputs have their value from where."""

    def __init__(self, root: Space) -> None:
        self._root = root
        self._targets: dict[tuple[str, str], list[tuple[str, str]]] = {}

    def turn(self, knob: tuple[str, str], target: tuple[str, str]) -> None:
        """Note that *target*, a node and an input of the prompt, has its value from *knob*."""
        self._targets.setdefault(knob, []).append(target)

    def found(self, prompt: JSONObject) -> Mapping[tuple[str, str], Knob]:
        """Return the knobs of *prompt*: those whose inputs, as they stand there, all have one value."""
        knobs: dict[tuple[str, str], Knob] = {}
        for (node_id, name), targets in self._targets.items():
            held = tuple((node, slot) for node, slot in targets if slot in inputs_of(prompt.get(node)))
            if held:
                knobs[node_id, name] = Knob(self._label(node_id, name), self._title(node_id), held)
        return still_true(knobs, prompt)

    def _label(self, node_id: str, name: str) -> str:
        child = self._below(node_id)
        at = None if child is None else child.input_index.get(name)
        return name if child is None or at is None else child.inputs[at].label or name

    def _title(self, node_id: str) -> str | None:
        node = self._node(node_id)
        return None if node is None else node.title

    def _below(self, node_id: str) -> Space | None:
        space: Space | None = self._root
        for part in node_id.split(":"):
            space = None if space is None else space.children.get(part)
        return space

    def _node(self, node_id: str) -> UINode | None:
        *path, last = node_id.split(":")
        space: Space | None = self._root
        for part in path:
            space = None if space is None else space.children.get(part)
        return None if space is None else space.scope.nodes.get(last)
