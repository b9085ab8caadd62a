"""
A UI graph, what ComfyUI's editor saves, as typed values.

Reading is tolerant, as the editor itself is: versions 0.4 and 1.0, links as lists or as objects, ids as numbers or
text, parts that are missing. What has no meaning is left out; only a document that is no graph at all is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TypeAlias

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed

LinkId: TypeAlias = str

INPUT_BORDER = "-10"
"""Id by which links inside a subgraph name its inputs."""

OUTPUT_BORDER = "-20"
"""Id by which links inside a subgraph name its outputs."""


class Mode(IntEnum):
    """Whether a node runs. The editor knows two more (on event, on trigger), which run as usual."""

    ALWAYS = 0
    MUTED = 2
    BYPASSED = 4


@dataclass(frozen=True, slots=True)
class UIInput:
    """An input slot of a node; *widget* names the widget that it stands in for."""

    name: str
    type: str
    link: LinkId | None
    widget: str | None = None


@dataclass(frozen=True, slots=True)
class UIOutput:
    """An output slot of a node."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class UINode:
    """
    One node as saved.

    Attributes:
        type: Class type; or the id of a subgraph, or of what only the editor knows (``Reroute``, ``Note``).
        title: What the author called it, else None.
        values: ``widgets_values``, by position.
        named: Values by widget name, where the save has them.
    """

    id: str
    type: str
    title: str | None
    mode: Mode
    inputs: tuple[UIInput, ...]
    outputs: tuple[UIOutput, ...]
    values: tuple[JSON, ...] = ()
    named: Mapping[str, JSON] = field(default_factory=dict)
    properties: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UILink:
    """A connection from an output slot to an input slot of nodes in the same scope, or of the scope's border."""

    id: LinkId
    origin_id: str
    origin_slot: int
    target_id: str
    target_slot: int
    type: str


@dataclass(frozen=True, slots=True)
class UIBorderSlot:
    """An input or output of a subgraph, with the links inside that hang on it."""

    name: str
    type: str
    links: tuple[LinkId, ...]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class UIScope:
    """Nodes and links that see each other: the root of a graph, or the inside of one subgraph."""

    nodes: Mapping[str, UINode]
    links: Mapping[LinkId, UILink]


@dataclass(frozen=True, slots=True)
class UISubgraph:
    """The definition of a subgraph, which nodes of its id's type are instances of."""

    id: str
    name: str
    inputs: tuple[UIBorderSlot, ...]
    outputs: tuple[UIBorderSlot, ...]
    scope: UIScope


@dataclass(frozen=True, slots=True)
class UIGraph:
    """
    A whole save.

    Attributes:
        group_nodes: By name, definitions of the older group nodes, as saved.
        extra: The save's other data; ``linearData`` names the inputs and outputs that the author exposes.
        models: ``models`` lists at the top of the save: name, url, directory, hash.
    """

    root: UIScope
    subgraphs: Mapping[str, UISubgraph] = field(default_factory=dict)
    group_nodes: Mapping[str, JSONObject] = field(default_factory=dict)
    extra: Mapping[str, JSON] = field(default_factory=dict)
    models: tuple[JSONObject, ...] = ()

    def scopes(self) -> Iterator[UIScope]:
        """Yield the root and the inside of every subgraph definition."""
        yield self.root
        for each in self.subgraphs.values():
            yield each.scope


def is_ui_graph(document: JSON) -> bool:
    """Tell whether *document* has the shape of a UI graph (and is no prompt)."""
    return isinstance(document, dict) and isinstance(document.get("nodes"), list)


def parse_ui_graph(document: JSON) -> UIGraph:
    """
    Read the JSON of a UI graph.

    Raises:
        ImportFailed: When *document* is no UI graph, or is of a version that nothing is known of.

    Source: ComfyUI's workflow JSON specification 0.4 and 1.0, and what the editor makes of deviations from it.
    """
    if not is_ui_graph(document):
        raise ImportFailed("this is no UI graph: it has no list of nodes")
    _check_version(document.get("version"))
    extra = _object(document.get("extra"))
    subgraphs = (_parse_subgraph(each) for each in _objects(_object(document.get("definitions")).get("subgraphs")))
    groups = _object(extra.get("groupNodes"))
    return UIGraph(
        root=_parse_scope(document),
        subgraphs={each.id: each for each in subgraphs},
        group_nodes={name: each for name, each in groups.items() if isinstance(each, dict)},
        extra=extra,
        models=tuple(_objects(document.get("models"))),
    )


def _check_version(version: JSON) -> None:
    number = version if isinstance(version, int | float) else _number(version)
    if number is not None and number >= 2:
        raise ImportFailed(
            f"version {version} of the workflow format is newer than this program",
            hint="versions 0.4 and 1 are known: save it with an older editor, or update comfypipe",
        )


def _number(text: JSON) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _parse_scope(raw: JSONObject) -> UIScope:
    parsed = (parse_node(each) for each in _objects(raw.get("nodes")))
    nodes = {each.id: each for each in parsed if each is not None}
    links = {each.id: each for each in _parse_links(raw.get("links"))}
    return UIScope(_mend(nodes, links), links)


def _parse_subgraph(raw: JSONObject) -> UISubgraph:
    return UISubgraph(
        id=str(raw.get("id", "")),
        name=str(raw.get("name") or "Subgraph"),
        inputs=tuple(map(_parse_border_slot, _objects(raw.get("inputs")))),
        outputs=tuple(map(_parse_border_slot, _objects(raw.get("outputs")))),
        scope=_parse_scope(raw),
    )


def _parse_border_slot(raw: JSONObject) -> UIBorderSlot:
    links = raw.get("linkIds")
    return UIBorderSlot(
        name=str(raw.get("name", "")),
        type=type_name(raw.get("type")),
        links=tuple(key(each) for each in links if _is_id(each)) if isinstance(links, list) else (),
        label=_text(raw.get("label")),
    )


def parse_node(raw: JSONObject) -> UINode | None:
    """Read one node; None where it has neither id nor type."""
    node_id = raw.get("id")
    if not _is_id(node_id) or not isinstance(raw.get("type"), str):
        return None
    values = raw.get("widgets_values")
    named = values if isinstance(values, dict) else raw.get("widgets_values_named")
    mode = raw.get("mode")
    return UINode(
        id=key(node_id),
        type=raw["type"],
        title=_text(raw.get("title")),
        mode=Mode(mode) if mode in (Mode.MUTED, Mode.BYPASSED) else Mode.ALWAYS,
        inputs=tuple([_parse_input(each) for each in _objects(raw.get("inputs"))]),
        outputs=tuple([_parse_output(each) for each in _objects(raw.get("outputs"))]),
        values=tuple(values) if isinstance(values, list) else (),
        named=_object(named),
        properties=_object(raw.get("properties")),
    )


def _parse_input(raw: JSONObject) -> UIInput:
    link = raw.get("link")
    widget = raw.get("widget")
    return UIInput(
        name=str(raw.get("name", "")),
        type=type_name(raw.get("type")),
        link=key(link) if _is_id(link) else None,
        widget=_text(widget.get("name")) if isinstance(widget, dict) else None,
    )


def _parse_output(raw: JSONObject) -> UIOutput:
    return UIOutput(name=str(raw.get("name", "")), type=type_name(raw.get("type")))


def _parse_links(raw: JSON) -> Iterator[UILink]:
    for each in raw.values() if isinstance(raw, dict) else _list(raw):
        fields: Sequence[JSON] = ()
        if isinstance(each, list) and len(each) >= 5:
            fields = (*each, None)[:6]
        elif isinstance(each, dict):
            fields = [each.get(name) for name in _LINK_FIELDS]
        if fields and all(_is_id(value) for value in fields[:5]):
            yield _make_link(fields)


_LINK_FIELDS = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")


def _make_link(fields: Sequence[JSON]) -> UILink:
    link_id, origin_id, origin_slot, target_id, target_slot, kind = fields
    return UILink(
        id=key(link_id),
        origin_id=key(origin_id),
        origin_slot=_slot(origin_slot),
        target_id=key(target_id),
        target_slot=_slot(target_slot),
        type=type_name(kind),
    )


def _mend(nodes: dict[str, UINode], links: Mapping[LinkId, UILink]) -> dict[str, UINode]:
    """
    Give inputs whose link is missing or leads nowhere the link that the list of links has for them.

    Source: observed of frontend 1.58.1, which keeps the list and repairs the slots.
    """
    held = {each.link for node in nodes.values() for each in node.inputs if each.link in links}
    mended: dict[str, list[UIInput]] = {}
    for link in links.values():
        target = nodes.get(link.target_id)
        if link.id in held or target is None or not 0 <= link.target_slot < len(target.inputs):
            continue
        slot = target.inputs[link.target_slot]
        if slot.link not in links and link.origin_id in nodes:
            inputs = mended.setdefault(target.id, list(target.inputs))
            inputs[link.target_slot] = UIInput(slot.name, slot.type, link.id, slot.widget)
    return nodes | {node_id: replace(nodes[node_id], inputs=tuple(inputs)) for node_id, inputs in mended.items()}


def type_name(kind: JSON) -> str:
    """Return a slot's type as text: ``*`` for any, ``COMBO`` for a list of choices, ``A,B`` for several."""
    if isinstance(kind, list):
        return "COMBO"
    return kind if isinstance(kind, str) and kind else "*"


def key(value: JSON) -> str:
    """Return an id as text: the editor mixes numbers and text."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _is_id(value: JSON) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _slot(value: JSON) -> int:
    try:
        return int(value)
    except (ValueError, OverflowError):
        return -1


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) and value else None


def _object(value: JSON) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _list(value: JSON) -> Sequence[JSON]:
    return value if isinstance(value, list) else ()


def _objects(value: JSON) -> list[JSONObject]:
    return [each for each in _list(value) if isinstance(each, dict)]
