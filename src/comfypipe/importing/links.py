"""Where the value of an input comes from: links followed through bypassed nodes, reroutes and borders of subgraphs."""

from dataclasses import dataclass

from comfypipe._types import JSON
from comfypipe.errors import ImportFailed
from comfypipe.importing.layout import UNSET
from comfypipe.importing.space import Space
from comfypipe.importing.ui_graph import INPUT_BORDER, Mode, UIInput, UILink, UINode
from comfypipe.importing.virtual import GETTERS, REROUTES, SETTERS, variable_name


@dataclass(frozen=True, slots=True)
class Origin:
    """An output slot of a node that is in the prompt."""

    node_id: str
    slot: int


@dataclass(frozen=True, slots=True)
class Literal:
    """
    A value that a promoted widget holds.

    Attributes:
        holder: Id of the instance of a subgraph, and name of its input, that holds it; None where no input does.
    """

    value: JSON
    holder: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Input:
    """An input slot on the way."""

    space: Space
    node: UINode
    slot: UIInput


@dataclass(frozen=True, slots=True)
class _Output:
    """An output slot on the way."""

    space: Space
    node: UINode
    slot: int


class Resolver:
    """
    Follows links; what was once found is kept, so that a graph takes time in proportion to its size.

    Source: observed of frontend 1.58.1.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Origin | Literal | None] = {}

    def resolve(self, space: Space, node: UINode, slot: UIInput) -> Origin | Literal | None:
        """
        Return where input *slot* of *node* gets its value from; None where it is not connected in the end.

        Raises:
            ImportFailed: When the links lead in a circle of nodes that are not in the prompt.
        """
        at: _Input | _Output | Origin | Literal | None = _Input(space, node, slot)
        kind = slot.type
        seen: dict[tuple[object, ...], None] = {}
        while isinstance(at, _Input | _Output):
            mark = (type(at), at.space.path, at.node.id, at.slot, kind)
            if mark in self._found:
                at = self._found[mark]
                break
            if mark in seen:
                raise ImportFailed(
                    f"the links of node {at.space.id_of(at.node)} ({at.node.type}) lead in a circle",
                    hint="reroutes, bypassed nodes or subgraphs feed each other: open the graph and cut one link",
                )
            seen[mark] = None
            at, kind = _upstream(at, kind) if isinstance(at, _Input) else _through(at, kind)
        self._found.update(dict.fromkeys(seen, at))
        return at


def _upstream(at: _Input, kind: str) -> tuple[_Input | _Output | Literal | None, str]:
    """Follow the link of an input to the output, or the border of the subgraph, that it comes from."""
    space, node, slot = at.space, at.node, at.slot
    forced = space.forced.get(node.id, {})
    if slot.name in forced:
        return Literal(forced[slot.name]), kind
    link = None if slot.link is None else space.scope.links.get(slot.link)
    if link is None:
        return None, kind
    if link.origin_id == INPUT_BORDER:
        return _outside(space, link)
    origin = space.scope.nodes.get(link.origin_id)
    return (None if origin is None else _Output(space, origin, link.origin_slot)), kind


def _outside(space: Space, link: UILink) -> tuple[_Input | Literal | None, str]:
    slots = space.host_slots
    if space.parent is None or space.host is None or not 0 <= link.origin_slot < len(slots):
        return None, "*"
    outer = slots[link.origin_slot]
    if outer.link in space.parent.scope.links or outer.name in space.parent.forced.get(space.host.id, ()):
        return _Input(space.parent, space.host, outer), outer.type
    value = space.border[link.origin_slot]
    holder = (space.parent.id_of(space.host), outer.name)
    return (None if value is UNSET else Literal(value, holder)), outer.type


def _through(at: _Output, kind: str) -> tuple[_Input | _Output | Origin | None, str]:
    """Step through a node that is not in the prompt itself, or stop at one that is."""
    space, node, slot = at.space, at.node, at.slot
    if node.mode is Mode.MUTED:
        return None, kind
    if node.mode is Mode.BYPASSED:
        match = bypass_slot(space, node, slot, kind)
        return (None, kind) if match is None else (_Input(space, node, match), match.type)
    child = space.children.get(node.id)
    if child is not None:
        return _inside(child, at), kind
    if space.is_virtual(node):
        return _forwarded(space, node, slot), kind
    return Origin(space.id_of(node), slot), kind


def _inside(child: Space, at: _Output) -> _Input | _Output | None:
    outputs = child.subgraph.outputs if child.subgraph else ()
    if not 0 <= at.slot < len(outputs):
        return None
    link = next((child.scope.links[each] for each in outputs[at.slot].links if each in child.scope.links), None)
    if link is None:
        return None
    if link.origin_id == INPUT_BORDER:
        slots = child.host_slots
        return _Input(at.space, at.node, slots[link.origin_slot]) if 0 <= link.origin_slot < len(slots) else None
    origin = child.scope.nodes.get(link.origin_id)
    return None if origin is None else _Output(child, origin, link.origin_slot)


def _forwarded(space: Space, node: UINode, slot: int) -> _Input | None:
    """
    Return the input that a virtual node passes on through its output *slot*; None where it passes on nothing.

    A getter passes on what the setter of its name takes, in its own scope or in the nearest around it.
    """
    if node.type in GETTERS:
        name = variable_name(node)
        holder: Space | None = space
        while holder is not None and name not in holder.setters:
            holder = holder.parent
        return None if holder is None else _Input(holder, holder.setters[name], holder.setters[name].inputs[0])
    if node.type in REROUTES | SETTERS and node.inputs:
        return _Input(space, node, node.inputs[min(max(slot, 0), len(node.inputs) - 1)])
    return None


def bypass_slot(space: Space, node: UINode, slot: int, kind: str) -> UIInput | None:
    """
    Return the input that a bypassed *node* passes on through its output *slot*, or None where none fits.

    In this order: any type wanted, the same place (else the first); the same place, if types fit; the first input of
    exactly the type wanted; the first that fits.
    """
    inputs = space.slots(node)
    given = space.output_type(node, slot)
    if given is None or not inputs:
        return None
    if kind in ("*", ""):
        return inputs[slot] if slot < len(inputs) else inputs[0]
    if slot < len(inputs) and _fits(inputs[slot].type, given) and _fits(inputs[slot].type, kind):
        return inputs[slot]
    exact = next((each for each in inputs if each.type == kind), None)
    return exact or next((each for each in inputs if _fits(each.type, given) and _fits(each.type, kind)), None)


def _fits(one: str, other: str) -> bool:
    """Tell whether two types may be connected: equal, any, or of lists with something in common."""
    one, other = one.lower(), other.lower()
    if one in ("*", "") or other in ("*", "") or one == other:
        return True
    return not {each.strip() for each in one.split(",")}.isdisjoint(each.strip() for each in other.split(","))
