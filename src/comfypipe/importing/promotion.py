"""
Promoted widgets: values that the instance of a subgraph holds for the nodes inside.

Source: observed of frontend 1.58.1, which also brings older saves (``proxyWidgets``) to its own form on loading.
"""

import re
from collections.abc import Iterator

from comfypipe._types import JSON
from comfypipe.importing.layout import UNSET
from comfypipe.importing.space import Space
from comfypipe.importing.ui_graph import UIInput, UINode, key
from comfypipe.importing.values import as_double
from comfypipe.importing.virtual import PRIMITIVE, primitive_value

_OLD_PREFIX = re.compile(r"\s*(\d+)\s*:\s*(.+)", re.DOTALL)


def promote(space: Space) -> None:
    """Fill in ``border``, ``sources`` and ``forced`` of *space* and of all spaces below it, innermost first."""
    for child in space.children.values():
        promote(child)
    if space.host is not None:
        _fill_border(space, space.host)
        _apply_proxies(space, space.host)


def _fill_border(space: Space, host: UINode) -> None:
    kept = dict(_kept_values(host))
    position = 0
    for index, slot in enumerate(space.inputs):
        source = _source(space, index)
        value = UNSET if source is None else _source_value(space, *source)
        if source is not None:
            if slot.name in kept:
                value = kept[slot.name]
            elif position < len(host.values):
                value = as_double(host.values[position])
            position += 1
        space.border.append(value)
        space.sources.append(source)


def _kept_values(host: UINode) -> Iterator[tuple[str, JSON]]:
    """Yield values of inputs that an earlier version could not place and kept aside; the first of a name counts."""
    entries = host.properties.get("proxyWidgetErrorQuarantine")
    for each in reversed(entries if isinstance(entries, list) else []):
        origin = each.get("originalEntry") if isinstance(each, dict) else None
        if isinstance(origin, list) and len(origin) >= 2 and str(origin[0]) == "-1" and "hostValue" in each:
            yield str(origin[1]), as_double(each["hostValue"])


def _source(space: Space, index: int) -> tuple[str, str] | None:
    """Return the inner node and its widget that an input of the subgraph stands for: the first that is linked."""
    links = [each for each in space.inputs[index].links if each in space.scope.links]
    if not links:
        links = list(space.border_links.get(index, ()))
    for link in links:
        node = space.scope.nodes.get(space.scope.links[link].target_id)
        slot = next((each for each in node.inputs if each.link == link), None) if node else None
        if node is not None and slot is not None and (name := _widget_name(space, node, slot)) is not None:
            return node.id, name
    return None


def _widget_name(space: Space, node: UINode, slot: UIInput) -> str | None:
    child = space.children.get(node.id)
    if child is not None:
        at = child.input_index.get(slot.name)
        return slot.name if at is not None and child.border[at] is not UNSET else None
    values = space.state(node).values
    return next((each for each in (slot.widget, slot.name) if each in values), None)


def _source_value(space: Space, node_id: str, name: str) -> JSON:
    child = space.children.get(node_id)
    if child is not None:
        return child.border[child.input_index[name]]
    return space.state(space.scope.nodes[node_id]).values[name]


def _apply_proxies(space: Space, host: UINode) -> None:
    entries = list(_proxies(host))
    widgets: dict[str, set[str]] = {}
    for node_id, name in entries:
        widgets.setdefault(node_id, set()).add(name)
    places = {source: at for at, source in reversed(tuple(enumerate(space.sources))) if source is not None}
    for index, (node_id, name) in enumerate(entries):
        value = as_double(host.values[index]) if index < len(host.values) else UNSET
        node = space.scope.nodes.get(node_id)
        if node is None:
            _apply_by_name(space, node_id, name, value)
        elif node.type != PRIMITIVE:
            _apply_to_widget(space, node, name, value, places)
        elif len(widgets[node_id]) == 1:
            _force_primitive(space, node, value)


def _proxies(host: UINode) -> Iterator[tuple[str, str]]:
    entries = host.properties.get("proxyWidgets")
    for each in entries if isinstance(entries, list) else []:
        if isinstance(each, list) and len(each) >= 2:
            yield key(each[0]), str(each[1])


def _apply_by_name(space: Space, node_id: str, name: str, value: JSON) -> None:
    at = space.input_index.get(name) if node_id == "-1" else None
    if at is not None and value is not UNSET and space.border[at] is not UNSET:
        space.border[at] = value


def _apply_to_widget(space: Space, node: UINode, name: str, value: JSON, places: dict[tuple[str, str], int]) -> None:
    resolved = _resolvable(space, node, name)
    if resolved is None:
        return
    linked = places.get((node.id, resolved))
    if linked is None:
        held = _source_value(space, node.id, resolved) if value is UNSET else value
        space.forced.setdefault(node.id, {})[resolved] = held
    elif value is not UNSET:
        space.border[linked] = value


def _force_primitive(space: Space, node: UINode, value: JSON) -> None:
    """Let what a primitive is linked to have the instance's value: its own links are cut."""
    held = primitive_value(node) if value is UNSET else value
    for target, slot in space.targets.get(node.id, ()):
        if held is not UNSET:
            space.forced.setdefault(target.id, {}).setdefault(slot.name, held)


def _resolvable(space: Space, node: UINode, name: str) -> str | None:
    """Return the name of the widget that a proxy means: as it is, or without the ids that older saves put first."""
    while True:
        found = _own_name(space, node, name)
        match = _OLD_PREFIX.fullmatch(name)
        if found is not None or match is None:
            return found
        name = match[2]


def _own_name(space: Space, node: UINode, name: str) -> str | None:
    child = space.children.get(node.id)
    if child is not None:
        return child.promoted.get(name)
    return name if any(each.name == name and each.sent for each in space.state(node).widgets) else None
