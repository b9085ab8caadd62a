"""A UI graph in use: its scopes unfolded, one `Space` for each instance of a subgraph, with the nodes' values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from comfypipe._types import JSON
from comfypipe.errors import ImportFailed
from comfypipe.importing.catalog import NodeCatalog
from comfypipe.importing.layout import Widget
from comfypipe.importing.ui_graph import (
    INPUT_BORDER,
    LinkId,
    Mode,
    UIBorderSlot,
    UIGraph,
    UIInput,
    UINode,
    UIScope,
    UISubgraph,
)
from comfypipe.importing.values import guessed_values, widget_values
from comfypipe.importing.virtual import SETTERS, VIRTUAL, variable_name

NODE_LIMIT = 50_000
DEPTH_LIMIT = 50


@dataclass(slots=True)
class NodeState:
    """
    The widgets of one node in one space.

    Attributes:
        values: By widget name, as they are now: primitives write into them.
    """

    widgets: tuple[Widget, ...]
    values: dict[str, JSON]


@dataclass
class Space:
    """
    The root, or the inside of one instance of a subgraph.

    Attributes:
        path: Ids of the instances that lead here.
        host: The instance, which is a node of *parent*; None at the root.
        border: By input of the subgraph, the value of its promoted widget, or `UNSET`.
        sources: By input of the subgraph, the inner node and widget that it stands for, or None.
        forced: By node id and input name, values that promoted widgets put in place of anything else.
            With ``border`` and ``sources``, filled in by promotion.
    """

    catalog: NodeCatalog
    scope: UIScope
    path: tuple[str, ...] = ()
    parent: "Space | None" = None
    host: UINode | None = None
    subgraph: UISubgraph | None = None
    children: "dict[str, Space]" = field(default_factory=dict)
    states: dict[str, NodeState] = field(default_factory=dict)
    border: list[JSON] = field(default_factory=list)
    sources: list[tuple[str, str] | None] = field(default_factory=list)
    forced: dict[str, dict[str, JSON]] = field(default_factory=dict)

    def id_of(self, node: UINode) -> str:
        """Return the id of *node* in the prompt: ``9:8:5`` is node 5 in instance 8 in instance 9."""
        return ":".join((*self.path, node.id))

    def state(self, node: UINode) -> NodeState:
        """Return the widgets of *node*, which is no instance of a subgraph, with their values."""
        if node.id not in self.states:
            pairs = _pairs(node, self.catalog)
            self.states[node.id] = NodeState(
                tuple(widget for widget, _ in pairs), {widget.name: value for widget, value in pairs}
            )
        return self.states[node.id]

    def slots(self, node: UINode) -> tuple[UIInput, ...]:
        """Return the input slots of *node* in the editor's order, with declared types where the class is known."""
        child = self.children.get(node.id)
        if child is not None:
            return child.host_slots
        if node.type not in self.catalog:
            return node.inputs
        layout = self.catalog.layout(node.type)
        saved = {each.name: each for each in node.inputs}
        declared = dict(layout.sockets) | {each.name: each.type for each in self.state(node).widgets if each.sent}
        slots = [
            UIInput(
                name, kind if kind != "COMFY_DYNAMICCOMBO_V3" else "COMBO", saved[name].link if name in saved else None
            )
            for name, kind in declared.items()
        ]
        return (*slots, *(each for name, each in saved.items() if name not in declared))

    @property
    def inputs(self) -> Sequence[UIBorderSlot]:
        """The inputs of the subgraph that this is the inside of; none at the root."""
        return self.subgraph.inputs if self.subgraph is not None else ()

    @cached_property
    def host_slots(self) -> tuple[UIInput, ...]:
        """The input slots of the instance that this is the inside of, one for each input of the subgraph."""
        links = {each.name: each.link for each in self.host.inputs} if self.host is not None else {}
        return tuple(UIInput(each.name, each.type, links.get(each.name)) for each in self.inputs)

    @cached_property
    def input_index(self) -> Mapping[str, int]:
        """By name, the place of an input of the subgraph; the first of a name."""
        return {each.name: at for at, each in reversed(tuple(enumerate(self.inputs)))}

    @cached_property
    def targets(self) -> "Mapping[str, Sequence[tuple[UINode, UIInput]]]":
        """By id of a node (or border), the inputs in this scope that are linked to it."""
        holders: dict[LinkId, list[tuple[UINode, UIInput]]] = {}
        for node in self.scope.nodes.values():
            for slot in node.inputs:
                if slot.link is not None:
                    holders.setdefault(slot.link, []).append((node, slot))
        found: dict[str, list[tuple[UINode, UIInput]]] = {}
        for link in self.scope.links.values():
            found.setdefault(link.origin_id, []).extend(holders.get(link.id, ()))
        return found

    @cached_property
    def border_links(self) -> Mapping[int, Sequence[LinkId]]:
        """By place of an input of the subgraph, the links inside that come from it."""
        found: dict[int, list[LinkId]] = {}
        for link in self.scope.links.values():
            if link.origin_id == INPUT_BORDER:
                found.setdefault(link.origin_slot, []).append(link.id)
        return found

    @cached_property
    def promoted(self) -> Mapping[str, str]:
        """By its own name or that of its widget, the promoted input of the subgraph; the first of each."""
        found: dict[str, str] = {}
        for at, slot in enumerate(self.inputs):
            source = self.sources[at]
            if source is not None:
                found.setdefault(slot.name, slot.name)
                found.setdefault(source[1], slot.name)
        return found

    @cached_property
    def setters(self) -> Mapping[str, UINode]:
        """By name, the node in this scope that sets a variable; the first of a name."""
        found = [each for each in self.scope.nodes.values() if each.type in SETTERS and each.inputs]
        return {variable_name(each): each for each in reversed(found)}

    def is_virtual(self, node: UINode) -> bool:
        """Tell whether *node* exists in the editor alone: a note, a reroute, a primitive, a setter or getter."""
        return node.type in VIRTUAL and node.type not in self.catalog

    def output_type(self, node: UINode, slot: int) -> str | None:
        """Return the type of an output slot of *node*, or None where it has no such slot."""
        child = self.children.get(node.id)
        if child is not None and child.subgraph is not None:
            types = tuple(each.type for each in child.subgraph.outputs)
        elif node.type in self.catalog:
            types = self.catalog.outputs(node.type)
        else:
            types = tuple(each.type for each in node.outputs)
        return types[slot] if 0 <= slot < len(types) else None

    def walk(self) -> "Iterator[Space]":
        """Yield this space and all below it."""
        yield self
        for each in self.children.values():
            yield from each.walk()


def unfold(graph: UIGraph, catalog: NodeCatalog) -> Space:
    """
    Return the root space of *graph*, with every instance of every subgraph unfolded below it.

    Raises:
        ImportFailed: When a subgraph holds itself, or there would be more than 50,000 nodes.
    """
    root = Space(catalog, graph.root)
    _unfold_below(root, graph.subgraphs, (), [len(graph.root.nodes)])
    return root


def _unfold_below(space: Space, subgraphs: Mapping[str, UISubgraph], inside: tuple[str, ...], count: list[int]) -> None:
    for node in space.scope.nodes.values():
        subgraph = subgraphs.get(node.type)
        if subgraph is None or node.type in space.catalog:
            continue
        if subgraph.id in inside or len(inside) >= DEPTH_LIMIT:
            raise ImportFailed(
                f"subgraph {subgraph.name!r} holds itself",
                hint=f"it is in the instance with id {node.id}: remove that node in the editor and save again",
            )
        count[0] += len(subgraph.scope.nodes) + 1
        if count[0] > NODE_LIMIT:
            raise ImportFailed(
                f"the graph unfolds to more than {NODE_LIMIT:,} nodes",
                hint="its subgraphs hold each other many times over",
            )
        child = Space(space.catalog, subgraph.scope, (*space.path, node.id), space, node, subgraph)
        space.children[node.id] = child
        _unfold_below(child, subgraphs, (*inside, subgraph.id), count)


def runs(node: UINode) -> bool:
    """Tell whether *node* is neither muted nor bypassed."""
    return node.mode is Mode.ALWAYS


def _pairs(node: UINode, catalog: NodeCatalog) -> list[tuple[Widget, JSON]]:
    if node.type not in catalog:
        names = [each.widget for each in node.inputs if each.widget is not None]
        return guessed_values(names, node.values, node.named)
    pairs = widget_values(catalog.layout(node.type), node.values)
    if node.named and not node.values and node.type.startswith("VHS_"):
        # VideoHelperSuite alone saves its values by name, and reads them so in the editor.
        return [(widget, node.named.get(widget.name, value)) for widget, value in pairs] + [
            (Widget(name, "*"), value)
            for name, value in node.named.items()
            if name not in {widget.name for widget, _ in pairs} and name != "videopreview"
        ]
    return pairs
