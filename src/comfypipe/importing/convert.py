"""A UI graph becomes the prompt that ComfyUI's own editor would send for it."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.catalog import NodeCatalog
from comfypipe.importing.dynamic_prompts import resolve_dynamic_prompt
from comfypipe.importing.group_nodes import ungroup
from comfypipe.importing.knobs import Knob, KnobBoard
from comfypipe.importing.layout import UNSET, Widget
from comfypipe.importing.links import Literal, Origin, Resolver
from comfypipe.importing.losses import losses
from comfypipe.importing.promotion import promote
from comfypipe.importing.replacements import SAVING_NODES, Replacements
from comfypipe.importing.space import Space, runs, unfold
from comfypipe.importing.ui_graph import UIGraph, UIInput, UINode
from comfypipe.importing.virtual import PRIMITIVE, primitive_value
from comfypipe.prompt.object_info import ObjectInfo


@dataclass(frozen=True, slots=True)
class Conversion:
    """
    A prompt made of a UI graph.

    Attributes:
        prompt: In API format, with ``_meta.title`` (and ``cnr_id``, ``aux_id``, ``ver`` where the save has them).
        unknown: Class types that the catalog does not have, in order; their values are a best guess.
        warnings: What could not be taken over as it is, one line each.
        knobs: By id and name in the graph, the values of primitives and of subgraphs' inputs.
    """

    prompt: JSONObject
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    knobs: Mapping[tuple[str, str], Knob] = field(default_factory=dict)


def to_prompt(
    graph: UIGraph,
    object_info: ObjectInfo,
    *,
    choose: Callable[[int], int] | None = None,
    now: datetime | None = None,
) -> Conversion:
    """
    Convert *graph* as ComfyUI's editor does when it queues it.

    Args:
        object_info: The node classes of the server whose editor is followed.
        choose: Given how many options ``{a|b|…}`` has, returns which one to take; drawn at random by default.
        now: The moment that ``%date:…%`` in file names means; the present by default.

    Raises:
        ImportFailed: When links lead in a circle, or a subgraph holds itself.

    Source: observed of ComfyUI frontend 1.58.1, ``graphToPrompt``.
    """
    catalog = NodeCatalog(object_info)
    root = unfold(ungroup(graph, catalog), catalog)
    promote(root)
    replacements = Replacements(root, now or datetime.now().astimezone())
    knobs = KnobBoard(root)
    for space in root.walk():
        _apply_primitives(space, replacements, knobs)
    serializer = _Serializer(replacements, choose or random.SystemRandom().randrange, knobs)
    prompt = {space.id_of(node): serializer.node(space, node) for space, node in _sent(root)}
    _drop_dangling(prompt)
    ordered = dict(sorted(prompt.items(), key=lambda each: _order(each[0])))
    unknown = dict.fromkeys(each["class_type"] for each in ordered.values() if each["class_type"] not in catalog)
    return Conversion(ordered, tuple(unknown), tuple(losses(root)), knobs.found(ordered))


def _sent(root: Space) -> Iterator[tuple[Space, UINode]]:
    """
    Yield the nodes that are in the prompt.

    An instance of a subgraph that does not run is left out whole at the root; further down only its inner nodes'
    own modes count, as in the editor.
    """
    for node in root.scope.nodes.values():
        child = root.children.get(node.id)
        if child is None:
            if runs(node) and not root.is_virtual(node):
                yield root, node
        elif runs(node):
            yield from _sent_below(child)


def _sent_below(top: Space) -> Iterator[tuple[Space, UINode]]:
    for space in top.walk():
        for node in space.scope.nodes.values():
            if node.id not in space.children and runs(node) and not space.is_virtual(node):
                yield space, node


def _apply_primitives(space: Space, replacements: Replacements, knobs: KnobBoard) -> None:
    """Write the value of every primitive into the widgets that it is linked to, muted or not."""
    for node in space.scope.nodes.values():
        if node.type != PRIMITIVE:
            continue
        value = primitive_value(node)
        if isinstance(value, str) and value and node.properties.get("Run widget replace on values"):
            value = replacements.fill_in(value)
        if value is not UNSET:
            for target, slot in space.targets.get(node.id, ()):
                name = _write(space, target, slot, value)
                if name is not None:
                    knobs.turn((space.id_of(node), "value"), (space.id_of(target), name))


def _write(space: Space, target: UINode, slot: UIInput, value: JSON) -> str | None:
    """Write *value* into the widget behind an input; returns the widget's name where *target* is in the prompt."""
    child = space.children.get(target.id)
    if child is not None:
        at = child.input_index.get(slot.name)
        if at is not None and child.border[at] is not UNSET:
            child.border[at] = value
        return None
    values = space.state(target).values
    name = next((each for each in (slot.widget, slot.name) if each in values), None)
    if name is not None:
        values[name] = value
    return name


class _Serializer:
    """Writes nodes as the prompt has them."""

    def __init__(self, replacements: Replacements, choose: Callable[[int], int], knobs: KnobBoard) -> None:
        self._replacements = replacements
        self._choose = choose
        self._knobs = knobs
        self._links = Resolver()

    def node(self, space: Space, node: UINode) -> JSONObject:
        """Return one node of the prompt: its widgets' values, then what is linked."""
        state = space.state(node)
        inputs: JSONObject = {}
        for widget in state.widgets:
            value = state.values[widget.name]
            if widget.sent and value is not UNSET:
                inputs[widget.name] = _boxed(self._finished(node, widget, value), widget)
        for slot in _fed_slots(space, node):
            source = self._links.resolve(space, node, slot)
            if isinstance(source, Origin):
                inputs[slot.name] = [source.node_id, source.slot]
            elif isinstance(source, Literal):
                inputs[slot.name] = _boxed(source.value)
                if source.holder is not None:
                    self._knobs.turn(source.holder, (space.id_of(node), slot.name))
        return {"inputs": inputs, "class_type": node.type, "_meta": _meta(space, node)}

    def _finished(self, node: UINode, widget: Widget, value: JSON) -> JSON:
        if not isinstance(value, str):
            return value
        if widget.dynamic_prompts:
            return resolve_dynamic_prompt(value, self._choose)
        if widget.name == "filename_prefix" and node.type in SAVING_NODES:
            return self._replacements.fill_in(value)
        return value


def _fed_slots(space: Space, node: UINode) -> Iterator[UIInput]:
    forced = dict.fromkeys(space.forced.get(node.id, ()))
    for slot in node.inputs:
        if slot.link is not None or slot.name in forced:
            forced.pop(slot.name, None)
            yield slot
    for name in forced:  # a save leaves out the slots of widgets that nothing is linked to
        yield UIInput(name, "*", None)


def _boxed(value: JSON, widget: Widget | None = None) -> JSON:
    """Return *value* so that no list can be taken for a link."""
    if widget is not None and widget.wrap is not None and value is not None:
        return {"__type__": widget.wrap, "__value__": value}
    return {"__value__": value} if isinstance(value, list) else value


def _meta(space: Space, node: UINode) -> JSONObject:
    meta: JSONObject = {"title": node.title or space.catalog.title(node.type)}
    for name in ("cnr_id", "aux_id", "ver"):
        if isinstance(node.properties.get(name), str) and node.properties[name]:
            meta[name] = node.properties[name]
    return meta


def _drop_dangling(prompt: JSONObject) -> None:
    for node in prompt.values():
        inputs = node["inputs"]
        for name in [name for name, value in inputs.items() if isinstance(value, list) and value[0] not in prompt]:
            del inputs[name]


def _order(node_id: str) -> tuple[int, tuple[tuple[int, str], ...]]:
    """Order ids as the editor's JSON has them: numbers first and ascending, then the ids inside subgraphs."""
    parts = tuple(
        (int(each), "") if each.isdecimal() and len(each) < 16 else (10**16, each) for each in node_id.split(":")
    )
    return len(parts), parts
