"""The prompt as a value: nodes, links, order."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from comfypipe._types import JSON, JSONObject
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import PromptInvalid


class Link(Struct, frozen=True):
    """A reference to output *slot* of node *node_id*; in JSON ``["4", 0]``."""

    node_id: str
    slot: int


class Node(Struct, frozen=True):
    """
    One node of a prompt.

    Attributes:
        inputs: By name, a `Link` or a literal JSON value.
        title: ``_meta.title``, what the editor shows.
        extra: The node's other keys (``_meta`` whole, ``is_changed``, …), kept as they came.
        has_inputs: Whether the document has an ``inputs`` object for it; a server refuses a node without.
    """

    id: str
    class_type: str
    inputs: Mapping[str, Any]
    title: str | None = None
    extra: Mapping[str, JSON] = field(default_factory=dict)
    has_inputs: bool = True

    def links(self) -> Iterator[tuple[str, Link]]:
        """Yield the names of the linked inputs with their links."""
        for name, value in self.inputs.items():
            if isinstance(value, Link):
                yield name, value


class PromptGraph(Struct, frozen=True):
    """
    A prompt in API format, as a graph.

    Attributes:
        nodes: By id, in the order of the document.
    """

    nodes: Mapping[str, Node]

    @classmethod
    def parse(cls, document: JSON) -> "PromptGraph":
        """
        Read API-format JSON.

        Raises:
            PromptInvalid: With ComfyUI's top-level error, when the document is no prompt at all.

        Source: ComfyUI ``server.py`` and ``execution.py``, ``validate_prompt`` (0.3.64).
        """
        if not isinstance(document, dict):
            raise _not_a_prompt(f"a prompt is a JSON object of nodes, not {type(document).__name__}", "")
        if isinstance(document.get("nodes"), list):
            raise _not_a_prompt(
                "this is a UI graph (the editor's own save), not a prompt",
                "Node ID '#nodes'",
                hint="convert it with `comfypipe import FILE`, or use the editor's Export (API)",
                said=_NO_CLASS_TYPE,
            )
        return cls({str(node_id): _parse_node(str(node_id), raw) for node_id, raw in document.items()})

    def to_json(self) -> JSONObject:
        """Return API-format JSON."""
        return {node.id: _node_to_json(node) for node in self.nodes.values()}

    def order(self) -> tuple[str, ...]:
        """
        Return the node ids so that each comes after all that it reads, else in document order.

        Links to nodes that do not exist are passed over: validation names them.

        Raises:
            PromptInvalid: With type ``dependency_cycle`` when nodes wait for each other.
        """
        finished: dict[str, None] = {}
        open_nodes: set[str] = set()
        for root in self.nodes:
            stack = [(root, False)]
            while stack:  # iterative: a chain of 1,500 nodes must not meet the recursion limit
                node_id, expanded = stack.pop()
                if expanded:
                    open_nodes.discard(node_id)
                    finished[node_id] = None
                elif node_id in open_nodes:
                    raise _cycle(node_id, self.nodes[node_id].class_type)
                elif node_id not in finished:
                    open_nodes.add(node_id)
                    stack.append((node_id, True))
                    stack.extend((parent, False) for parent in self._parents(node_id) if parent not in finished)
        return tuple(finished)

    def ancestors(self, node_ids: Iterable[str]) -> frozenset[str]:
        """Return *node_ids* with every node that they read, directly or not."""
        found: set[str] = set()
        waiting = [node_id for node_id in node_ids if node_id in self.nodes]
        while waiting:
            node_id = waiting.pop()
            if node_id not in found:
                found.add(node_id)
                waiting.extend(self._parents(node_id))
        return frozenset(found)

    def find(self, reference: str) -> Node:
        """
        Return the node with this id, else the only one with this title.

        Raises:
            PromptInvalid: When none, or more than one, fits.
        """
        if reference in self.nodes:
            return self.nodes[reference]
        titled = [node for node in self.nodes.values() if node.title == reference]
        if len(titled) == 1:
            return titled[0]
        if titled:
            ids = ", ".join(node.id for node in titled)
            raise PromptInvalid(f'{len(titled)} nodes have the title "{reference}": {ids}', hint="use the node's id")
        names = [*self.nodes, *(node.title for node in self.nodes.values() if node.title)]
        raise PromptInvalid(f'no node has the id or title "{reference}"', hint=did_you_mean(reference, names))

    def _parents(self, node_id: str) -> list[str]:
        parents = [link.node_id for _, link in self.nodes[node_id].links() if link.node_id in self.nodes]
        return parents[::-1]  # popped from the stack's end: the first input is visited first


_OWN_KEYS = frozenset(("inputs", "class_type"))
_NO_CLASS_TYPE = "Cannot execute because a node is missing the class_type property."


def parse_input(value: JSON) -> Any:
    """
    Return a `Link` for what ComfyUI takes as one, else the literal.

    ComfyUI takes every list for a link and refuses those without two items, and those whose node id is a number; only
    well-formed ones become a `Link` here, so that validation can name the others.
    """
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int):
        return Link(value[0], int(value[1]))
    return value


def _parse_node(node_id: str, raw: JSON) -> Node:
    if not isinstance(raw, dict):
        raise _not_a_prompt(f"node {node_id} is not an object", f"Node ID '#{node_id}'", said=_NO_CLASS_TYPE)
    class_type = raw.get("class_type")
    if not isinstance(class_type, str):
        raise _not_a_prompt(f"node {node_id} has no class_type", f"Node ID '#{node_id}'", said=_NO_CLASS_TYPE)
    inputs = raw.get("inputs", {})
    if not isinstance(inputs, dict):
        raise _not_a_prompt(f"the inputs of node {node_id} are not an object", f"Node ID '#{node_id}'")
    meta = raw.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return Node(
        id=node_id,
        class_type=class_type,
        inputs={name: parse_input(value) if isinstance(value, list) else value for name, value in inputs.items()},
        title=title if isinstance(title, str) else None,
        extra={key: value for key, value in raw.items() if key not in _OWN_KEYS},
        has_inputs="inputs" in raw,
    )


def _node_to_json(node: Node) -> JSONObject:
    inputs = {
        name: [value.node_id, value.slot] if isinstance(value, Link) else value for name, value in node.inputs.items()
    }
    given = {"inputs": inputs} if node.has_inputs else {}
    return {**given, "class_type": node.class_type, **node.extra}


def _not_a_prompt(message: str, details: str, hint: str | None = None, said: str | None = None) -> PromptInvalid:
    """Return the error; *said* is what a server would say where our own words are clearer."""
    error = {"type": "invalid_prompt", "message": said or message, "details": details, "extra_info": {}}
    return PromptInvalid(message, error=error, hint=hint)


def _cycle(node_id: str, class_type: str) -> PromptInvalid:
    message = f"node {node_id} ({class_type}) waits for itself: its inputs lead back to it"
    error = {"type": "dependency_cycle", "message": message, "details": f"node_id: {node_id}", "extra_info": {}}
    return PromptInvalid(message, error=error, hint="remove one link of the cycle")
