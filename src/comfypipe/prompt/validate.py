"""Whether a prompt fits what a server offers, in ComfyUI's own terms."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from comfypipe._types import JSON, JSONObject
from comfypipe.prompt.graph import Link, Node, PromptGraph
from comfypipe.prompt.inputs import (
    Problem,
    bad_link,
    check_literal,
    declared_type,
    missing_input,
    type_mismatch,
    types_fit,
)
from comfypipe.prompt.node_errors import Cycle, Reader, custom_error, cycle_error, exception_error, missing_class_errors
from comfypipe.prompt.object_info import InputInfo, NodeInfo, ObjectInfo
from comfypipe.prompt.validation import NodeError, Validation, outputs_failed

__all__ = ["Custom", "NodeError", "Validation", "validate"]

Custom: TypeAlias = Callable[[Node, NodeInfo], str | None]
"""
A node class's own check, called for nodes in which nothing else is wrong. Returns None, or what is wrong as
``"input - message"``.
"""


def validate(
    graph: PromptGraph,
    object_info: ObjectInfo,
    *,
    unknown: Literal["error", "skip"] = "error",
    custom: Custom | None = None,
    outputs: Collection[str] | None = None,
) -> Validation:
    """
    Check every node that an output needs against what the server says it can run.

    Pure, and linear in the size of the prompt, however long its chains. What no output needs is not looked at, as on a
    server, except that its class must exist.

    Args:
        object_info: Parsed reply of ``GET /object_info``.
        unknown: What to do with classes that it does not hold: an error, or ``skip``: they are named as unchecked,
            links to and from them are followed, and those that nothing reads count as outputs.
        custom: The node classes' own checks (whether a file is there).
        outputs: Only these output nodes; all where nothing is said.

    Source: ComfyUI ``execution.py``, ``validate_prompt`` and ``validate_inputs`` (0.3.64). Two things differ. A cycle
    is reported as newer versions do (``dependency_cycle``), and ``dependent_outputs`` names the outputs that depend on
    the node, where ComfyUI also names others that happened to fail after it.
    """
    classes = {node.class_type for node in graph.nodes.values()}
    info = {name: object_info[name] for name in classes if name in object_info}
    missing = [node for node in graph.nodes.values() if node.class_type not in info] if len(info) < len(classes) else []
    roots = [
        node.id
        for node in _ends(graph, info, missing)
        if outputs is None or node.id in outputs or node.class_type not in info
    ]
    walk = _Walk(graph, info, custom)
    for node_id in roots:
        walk.follow(node_id)
    found = _in_order(graph, walk.errors)
    if missing and unknown == "error":
        absent = missing_class_errors(missing, object_info)
        return Validation(absent + found, (), error=_first_missing(missing[0]))
    unchecked = tuple(sorted({node.class_type for node in missing}))
    if not roots:
        return Validation((), (), unchecked, _no_outputs())
    good = tuple(node_id for node_id in roots if walk.valid[node_id])
    failed = [node_id for node_id in roots if not walk.valid[node_id]]
    error = None if good else outputs_failed(_details(walk, failed))
    ready = tuple(node_id for node_id in good if graph.nodes[node_id].class_type in info)
    return Validation(found, ready, unchecked, error, _dependents(graph, walk, failed))


@dataclass(slots=True)
class _Open:
    """A node on the way from the output that is being followed: what was found, and what it reads."""

    problems: list[Problem]
    reads: list[Reader]
    reader: Reader | None
    raised: Exception | None = None


@dataclass(slots=True)
class _Walk:
    """
    Depth first from outputs to what they read, without recursion: a chain of 1,500 nodes must not meet a limit.

    Attributes:
        valid: Of the nodes that were looked at, whether they and all that they read are fine.
        errors: By node id.
    """

    graph: PromptGraph
    info: Mapping[str, NodeInfo]
    custom: Custom | None
    valid: dict[str, bool] = field(default_factory=dict)
    errors: dict[str, tuple[NodeError, ...]] = field(default_factory=dict)
    _open: dict[str, _Open] = field(default_factory=dict)
    _cycles: dict[str, Cycle] = field(default_factory=dict)

    def follow(self, output: str) -> None:
        """Check *output* and all that it reads."""
        stack: list[tuple[str, _Open | None]] = [(output, None)]
        readers: dict[str, Reader] = {}
        while stack:
            node_id, state = stack.pop()
            if state is not None:
                self._close(node_id, state)
            elif node_id in self._open:
                self._mark_cycle(node_id)
            elif node_id not in self.valid:
                state = self._look(self.graph.nodes[node_id])
                state.reader = readers.get(node_id)
                self._open[node_id] = state
                stack.append((node_id, state))
                for read in reversed(state.reads):
                    stack.append((read[2].node_id, None))
                    if read[2].node_id not in self.valid:
                        readers[read[2].node_id] = read

    def _look(self, node: Node) -> _Open:
        state = _Open([], [], None)
        if not node.has_inputs:
            state.raised = KeyError("inputs")
            return state
        known, given = self.info.get(node.class_type), node.inputs
        for name in given if known is None else known.inputs:
            declared = None if known is None else known.inputs[name]
            value = given.get(name, _ABSENT)
            try:
                if isinstance(value, Link):
                    problem = self._look_at_link(state, declared, name, value)
                elif declared is not None:
                    problem = self._look_at_value(declared, value)
                else:
                    continue
            except (KeyError, IndexError, TypeError) as error:  # what ComfyUI runs into itself
                state.raised = state.raised or error
                continue
            if problem is not None:
                state.problems.append(problem)
        return state

    def _look_at_value(self, declared: InputInfo, value: JSON) -> Problem | None:
        if value is _ABSENT:
            return missing_input(declared) if declared.required else None
        if isinstance(value, list):
            if len(value) == 2:
                raise _no_link(value, self.graph)
            return bad_link(declared, value)
        return check_literal(declared, value)

    def _look_at_link(self, state: _Open, declared: InputInfo | None, name: str, link: Link) -> Problem | None:
        target = self.graph.nodes[link.node_id]
        known = self.info.get(target.class_type)
        if known is not None:
            received = _output_type(known, link.slot)
            if declared is not None and not types_fit(received, declared_type(declared)):
                return type_mismatch(declared, received, [link.node_id, link.slot])
        state.reads.append((declared, name, link))
        return None

    def _close(self, node_id: str, state: _Open) -> None:
        del self._open[node_id]
        node = self.graph.nodes[node_id]
        found = self._judge(node, state)
        if found:
            self.errors[node_id] = found
        self.valid[node_id] = not found and all(self.valid.get(link.node_id, False) for _, _, link in state.reads)

    def _judge(self, node: Node, state: _Open) -> tuple[NodeError, ...]:
        if node.id in self._cycles:
            return (cycle_error(node, self._cycles[node.id]),)
        if state.raised is not None:
            return (exception_error(node, state.raised, state.reader),)
        if not state.problems and self.custom is not None and node.class_type in self.info:
            message = self.custom(node, self.info[node.class_type])
            if message is not None:
                return (custom_error(node, message),)
        return tuple(
            NodeError(node.id, node.class_type, each.type, each.message, each.details, each.extra_info, each.hint)
            for each in state.problems
        )

    def _mark_cycle(self, node_id: str) -> None:
        if node_id in self._cycles:
            return
        way = list(self._open)  # in the order of opening: the way from the output to here
        cycle = Cycle.of([self.graph.nodes[each] for each in way[way.index(node_id) :]])
        for each in cycle.node_ids:
            self._cycles.setdefault(each, cycle)


_ABSENT = object()


def _ends(graph: PromptGraph, info: Mapping[str, NodeInfo], missing: list[Node]) -> Iterator[Node]:
    """Yield the output nodes, and the nodes of missing classes that nothing reads: one of them may be an output."""
    read = {link.node_id for node in graph.nodes.values() for _, link in node.links()} if missing else set()
    for node in graph.nodes.values():
        if node.class_type not in info:
            if node.id not in read:
                yield node
        elif info[node.class_type].output_node:
            yield node


def _output_type(info: NodeInfo, slot: int) -> JSON:
    types = info.raw.get("output") or ()
    try:
        return types[slot]
    except IndexError:
        raise IndexError("tuple index out of range") from None  # ComfyUI declares outputs as a tuple


def _no_link(value: list[JSON], graph: PromptGraph) -> Exception:
    """Return what ComfyUI runs into with two items that are no node id and slot."""
    node_id, slot = value
    if isinstance(node_id, list | dict):
        return TypeError(f"unhashable type: '{type(node_id).__name__}'")
    if not isinstance(node_id, str) or node_id not in graph.nodes:
        return KeyError(node_id)
    return TypeError(f"tuple indices must be integers or slices, not {type(slot).__name__}")


def _first_missing(node: Node) -> JSONObject:
    message = f"Cannot execute because node {node.class_type} does not exist."
    return {"type": "invalid_prompt", "message": message, "details": f"Node ID '#{node.id}'", "extra_info": {}}


def _no_outputs() -> JSONObject:
    return {"type": "prompt_no_outputs", "message": "Prompt has no outputs", "details": "", "extra_info": {}}


def _in_order(graph: PromptGraph, errors: dict[str, tuple[NodeError, ...]]) -> tuple[NodeError, ...]:
    return tuple(error for node_id in graph.nodes for error in errors.get(node_id, ()))


def _details(walk: _Walk, failed: list[str]) -> str:
    """Return ComfyUI's summary: what is wrong with the output nodes themselves."""
    return "\n".join(
        f"{error.message}: {error.details}" for node_id in failed for error in walk.errors.get(node_id, ())
    )


def _dependents(graph: PromptGraph, walk: _Walk, failed: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {node_id: [] for node_id in walk.errors}
    for output in failed:
        for node_id in graph.ancestors([output]):
            if node_id in found:
                found[node_id].append(output)
    return {node_id: tuple(outputs) for node_id, outputs in found.items()}
