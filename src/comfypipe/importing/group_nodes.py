"""
Group nodes, the older way to put nodes into one: each instance becomes a subgraph of its own.

A group's definition lies in ``extra.groupNodes`` of the save; an instance is of type ``workflow>NAME`` and holds the
values of all inner widgets, one node after the other.

Source: ComfyUI frontend 1.27.10, which still had them, and 1.58.1, which turns them into subgraphs on loading.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed
from comfypipe.importing.catalog import NodeCatalog
from comfypipe.importing.space import DEPTH_LIMIT, NODE_LIMIT
from comfypipe.importing.ui_graph import (
    INPUT_BORDER,
    OUTPUT_BORDER,
    UIBorderSlot,
    UIGraph,
    UIInput,
    UILink,
    UINode,
    UIOutput,
    UIScope,
    UISubgraph,
    key,
    parse_node,
    type_name,
)
from comfypipe.importing.values import CONTROLS, widget_values
from comfypipe.importing.virtual import PRIMITIVE

_PREFIXES = ("workflow>", "workflow/")


def ungroup(graph: UIGraph, catalog: NodeCatalog) -> UIGraph:
    """
    Return *graph* with every group node as an instance of a subgraph; unchanged where there is none.

    Raises:
        ImportFailed: When a group holds itself.
    """
    if not graph.group_nodes:
        return graph
    subgraphs = dict(graph.subgraphs)
    ungrouping = _Ungrouping(graph.group_nodes, catalog, subgraphs)
    root = ungrouping.scope(graph.root, "", 0)
    for each in graph.subgraphs.values():
        subgraphs[each.id] = replace(each, scope=ungrouping.scope(each.scope, f"{each.id}/", 0))
    return replace(graph, root=root, subgraphs=subgraphs)


@dataclass(slots=True)
class _Ungrouping:
    """Turns instances into subgraphs, which it collects in *subgraphs*."""

    groups: Mapping[str, JSONObject]
    catalog: NodeCatalog
    subgraphs: dict[str, UISubgraph]
    count: int = 0

    def scope(self, scope: UIScope, path: str, depth: int) -> UIScope:
        nodes = dict(scope.nodes)
        for node in scope.nodes.values():
            definition = self.groups.get(node.type[len(_PREFIXES[0]) :]) if node.type.startswith(_PREFIXES) else None
            if definition is not None:
                nodes[node.id] = self._instance(node, definition, f"{path}{node.id}", depth)
        return UIScope(nodes, scope.links)

    def _instance(self, node: UINode, definition: JSONObject, path: str, depth: int) -> UINode:
        nodes = definition.get("nodes")
        self.count += 1 + (len(nodes) if isinstance(nodes, list) else 0)
        if depth >= DEPTH_LIMIT or self.count > NODE_LIMIT:
            raise ImportFailed(f"group node {node.type!r} holds itself", hint="remove it in the editor and save again")
        subgraph = _Builder(self.catalog, definition, node).build(f"group node {path}", node.type)
        self.subgraphs[subgraph.id] = replace(subgraph, scope=self.scope(subgraph.scope, f"{path}/", depth + 1))
        return replace(node, type=subgraph.id, values=(), named={}, title=node.title or node.type[len(_PREFIXES[0]) :])


@dataclass(slots=True)
class _Builder:
    """Makes the subgraph of one instance of a group."""

    catalog: NodeCatalog
    definition: JSONObject
    instance: UINode
    links: list[UILink] = field(default_factory=list)
    inputs: list[UIBorderSlot] = field(default_factory=list)
    outputs: list[UIBorderSlot] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    taken: int = 0

    def build(self, subgraph_id: str, name: str) -> UISubgraph:
        inner = list(self._nodes())
        wires = list(self._wires())
        fed = {(target, slot) for _, _, target, slot in wires}
        nodes = {node.id: self._node(index, node, fed) for index, node in inner}
        self._connect(nodes, wires)
        for index, node in inner:
            self._expose_outputs(index, node, wires)
        scope = UIScope(nodes, {each.id: each for each in self.links})
        return UISubgraph(subgraph_id, name, tuple(self.inputs), tuple(self.outputs), scope)

    def _nodes(self) -> Iterator[tuple[int, UINode]]:
        raw = self.definition.get("nodes")
        for at, each in enumerate(raw if isinstance(raw, list) else []):
            if isinstance(each, dict):
                index = each.get("index", at)
                node = parse_node({**each, "id": index})
                if node is not None and isinstance(index, int):
                    yield index, node

    def _wires(self) -> Iterator[tuple[int, int, int, int]]:
        raw = self.definition.get("links")
        for each in raw if isinstance(raw, list) else []:
            if isinstance(each, list) and len(each) >= 4 and all(_is_index(value) for value in each[:4]):
                yield each[0], each[1], each[2], each[3]

    def _external(self) -> Iterator[tuple[int, int]]:
        raw = self.definition.get("external")
        for each in raw if isinstance(raw, list) else []:
            if isinstance(each, list) and len(each) >= 2 and all(_is_index(value) for value in each[:2]):
                yield each[0], each[1]

    def _node(self, index: int, node: UINode, fed: set[tuple[int, int]]) -> UINode:
        """Return an inner node with the instance's values, its free inputs shown at the border."""
        converted = {each.widget for each in node.inputs if each.widget is not None}
        values = self._values(node, converted)
        slots: list[UIInput] = []
        for at, slot in enumerate(node.inputs):
            link = None
            if (index, at) not in fed and self._visible(index, "input", slot.name):
                link = self._expose_input(node, at, slot)
            slots.append(UIInput(slot.name, slot.type, link, slot.widget))
        return replace(node, inputs=tuple(slots), values=tuple(values))

    def _values(self, node: UINode, converted: set[str]) -> Sequence[JSON]:
        """Take the values of *node*'s widgets from the instance's."""
        if node.type == PRIMITIVE:
            self._name(node, "value")
            return self._take(1 + (self._peek(1) in CONTROLS)) or node.values
        if node.type not in self.catalog:
            return node.values
        values: list[JSON] = []
        for widget, value in widget_values(self.catalog.layout(node.type), node.values):
            if not widget.stored:
                continue
            own = [value, *[None] * widget.companions]
            if widget.name in converted:
                values.extend(own)
            else:
                if widget.sent:
                    self._name(node, widget.name)
                values.extend(self._take(len(own)) or own)
        return values

    def _peek(self, ahead: int) -> JSON:
        at = self.taken + ahead
        return self.instance.values[at] if at < len(self.instance.values) else None

    def _take(self, count: int) -> list[JSON]:
        found = list(self.instance.values[self.taken : self.taken + count])
        self.taken += count
        return found

    def _name(self, node: UINode, name: str) -> str:
        """Return the name that a widget or input has on the instance: unique, made so with its node's title."""
        full = name
        if (node.type == PRIMITIVE and node.title) or name in self.seen:
            prefix = f"{node.title or node.type} "
            full = prefix + name
            found = f"{prefix}{self.seen[full]} {name}" if full in self.seen else full
            self.seen[full] = self.seen.get(full, 1) + 1
            return found
        self.seen[name] = self.seen.get(name, 1) + 1
        return full

    def _visible(self, index: int, side: str, name: str) -> bool:
        return self._configured(index, side, name) is not False

    def _configured(self, index: int, side: str, name: str) -> JSON:
        entry: JSON = self.definition
        for step in ("config", str(index), side, name, "visible"):
            entry = entry.get(step) if isinstance(entry, dict) else None
        return entry

    def _expose_input(self, node: UINode, at: int, slot: UIInput) -> str:
        link = UILink(f"in {len(self.inputs)}", INPUT_BORDER, len(self.inputs), node.id, at, slot.type)
        self.links.append(link)
        self.inputs.append(UIBorderSlot(self._name(node, slot.name), slot.type, (link.id,)))
        return link.id

    def _connect(self, nodes: dict[str, UINode], wires: Sequence[tuple[int, int, int, int]]) -> None:
        for number, (source, output, target, at) in enumerate(wires):
            node = nodes.get(key(target))
            if node is None or not 0 <= at < len(node.inputs):
                continue
            slot = node.inputs[at]
            link = UILink(f"wire {number}", key(source), output, node.id, at, slot.type)
            self.links.append(link)
            inputs = (*node.inputs[:at], replace(slot, link=link.id), *node.inputs[at + 1 :])
            nodes[node.id] = replace(node, inputs=inputs)

    def _expose_outputs(self, index: int, node: UINode, wires: Sequence[tuple[int, int, int, int]]) -> None:
        used = {output for source, output, _, _ in wires if source == index}
        outside = {each[1] for each in self._external() if each[0] == index}
        for at, slot in enumerate(self._outputs_of(node)):
            shown = self._configured(index, "output", str(at))
            if shown if isinstance(shown, bool) else at not in used or at in outside:
                link = UILink(f"out {len(self.outputs)}", node.id, at, OUTPUT_BORDER, len(self.outputs), slot.type)
                self.links.append(link)
                self.outputs.append(UIBorderSlot(slot.name, slot.type, (link.id,)))

    def _outputs_of(self, node: UINode) -> Sequence[UIOutput]:
        if node.type in self.catalog:
            return [UIOutput(each.name, type_name(each.type)) for each in self.catalog.info(node.type).outputs]
        return node.outputs


def _is_index(value: JSON) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
