"""Values of a run that a node may still read."""

from collections.abc import Callable, Iterable
from typing import Any

from comfypipe.prompt.graph import Link, PromptGraph


class LiveValues:
    """
    Holds each node's outputs until the last node that reads them is done.

    Args:
        outputs: Nodes that the run is for.
        done: Whether a node's result is already there: what it read is of no interest then.
    """

    def __init__(self, graph: PromptGraph, outputs: Iterable[str], done: Callable[[str], bool]) -> None:
        self._graph = graph
        self._values: dict[str, tuple[tuple[Any, ...], ...]] = {}
        self._readers: dict[str, int] = {}
        for node_id in _reached(graph, outputs, done):
            for parent in self._parents(node_id) if not done(node_id) else ():
                self._readers[parent] = self._readers.get(parent, 0) + 1

    def __len__(self) -> int:
        return len(self._values)

    @property
    def wanted(self) -> Iterable[str]:
        """Nodes whose outputs are still to be read."""
        return tuple(self._readers)

    def put(self, node_id: str, outputs: tuple[tuple[Any, ...], ...]) -> None:
        """Keep the outputs of a node, if anything is to read them."""
        if self._readers.get(node_id):
            self._values[node_id] = outputs

    def read(self, link: Link) -> tuple[Any, ...]:
        """Return the list of values of one output slot."""
        return self._values[link.node_id][link.slot]

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._values

    def release(self, node_id: str) -> None:
        """Tell that a node will not read its inputs again."""
        for parent in self._parents(node_id):
            self._readers[parent] -= 1
            if not self._readers[parent]:
                self._values.pop(parent, None)
                del self._readers[parent]

    def _parents(self, node_id: str) -> frozenset[str]:
        return frozenset(link.node_id for _, link in self._graph.nodes[node_id].links())


def _reached(graph: PromptGraph, outputs: Iterable[str], done: Callable[[str], bool]) -> set[str]:
    found: set[str] = set()
    waiting = list(outputs)
    while waiting:
        node_id = waiting.pop()
        if node_id not in found:
            found.add(node_id)
            if not done(node_id):
                waiting.extend(link.node_id for _, link in graph.nodes[node_id].links())
    return found
