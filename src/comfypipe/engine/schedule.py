"""In which order the nodes of a prompt run."""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from comfypipe.prompt.graph import Link, PromptGraph

_OUTPUT, _FEEDS_OUTPUT, _FEEDS_FEEDER, _OTHER = range(4)


class Schedule:
    """
    Hands out nodes whose inputs are there, those closest to an output first, so that results show early.

    Among ready nodes an output node goes first; then one that an output node reads; then one that such a node reads;
    then the one that was wanted first. Iterative, and O(log n) for each node: chains of many thousands work.

    Args:
        done: Whether a node's result is already there, so that neither it nor what it reads has to run.
        is_output: Whether a node is an output node.
        is_lazy: Whether the input of that name of that node is only run for when the node asks.

    Source: ComfyUI ``comfy_execution/graph.py`` (0.3.64), as observed in its transcripts.
    """

    def __init__(
        self,
        graph: PromptGraph,
        *,
        done: Callable[[str], bool],
        is_output: Callable[[str], bool],
        is_lazy: Callable[[str, str], bool],
    ) -> None:
        self._graph = graph
        self._done = done
        self._is_output = is_output
        self._is_lazy = is_lazy
        self._rank: dict[str, int] = {}
        self._waits_for: dict[str, set[str]] = {}
        self._readers: dict[str, list[str]] = {}
        self._ready: list[tuple[int, int, str]] = []
        self._completed: set[str] = set()

    def want(self, node_ids: Iterable[str]) -> None:
        """Add nodes with all that they read."""
        added = [node_id for wanted in node_ids for node_id in self._add(wanted)]
        for node_id in added:  # pushed last: the priority looks at readers, which are now known
            self._push_if_ready(node_id)

    def require(self, node_id: str, input_names: Iterable[str]) -> None:
        """Put a node that was handed out back until its lazy inputs *input_names* are there."""
        links = dict(self._graph.nodes[node_id].links())
        added = [each for name in input_names for each in self._link(node_id, links[name])]
        for each in (*added, node_id):
            self._push_if_ready(each)

    def next(self) -> str | None:
        """
        Return the node to run now, or None when all are done.

        Raises:
            ValueError: Nodes are left that wait for each other.
        """
        if self._ready:
            return heappop(self._ready)[2]
        left = [node_id for node_id in self._rank if node_id not in self._completed]
        if left:
            raise ValueError(f"Dependency cycle detected: nodes {', '.join(left)} wait for each other")
        return None

    def complete(self, node_id: str) -> None:
        """Tell that a node's result is there."""
        self._completed.add(node_id)
        for reader in self._readers.pop(node_id, ()):
            self._waits_for[reader].discard(node_id)
            self._push_if_ready(reader)

    @property
    def node_ids(self) -> tuple[str, ...]:
        """All nodes that were wanted so far, with what they read."""
        return tuple(self._rank)

    def _add(self, wanted: str) -> list[str]:
        added: list[str] = []
        waiting = [wanted]
        while waiting:
            node_id = waiting.pop()
            if node_id in self._rank:
                continue
            self._rank[node_id] = len(self._rank)
            self._waits_for[node_id] = set()
            added.append(node_id)
            waiting.extend(self._links_of(node_id))
        return added

    def _links_of(self, node_id: str) -> list[str]:
        if self._done(node_id):
            return []
        parents = [
            link.node_id
            for name, link in self._graph.nodes[node_id].links()
            if not self._is_lazy(node_id, name) and self._must_run(link.node_id)
        ]
        for parent in parents:
            self._wait(node_id, parent)
        return parents

    def _link(self, node_id: str, link: Link) -> list[str]:
        if not self._must_run(link.node_id):
            return []
        self._wait(node_id, link.node_id)
        return self._add(link.node_id)

    def _wait(self, node_id: str, parent: str) -> None:
        if parent not in self._waits_for[node_id]:
            self._waits_for[node_id].add(parent)
            self._readers.setdefault(parent, []).append(node_id)

    def _must_run(self, node_id: str) -> bool:
        return node_id not in self._completed and not self._done(node_id)

    def _push_if_ready(self, node_id: str) -> None:
        if not self._waits_for[node_id]:
            heappush(self._ready, (self._priority(node_id), self._rank[node_id], node_id))

    def _priority(self, node_id: str) -> int:
        if self._is_output(node_id):
            return _OUTPUT
        readers = self._readers.get(node_id, [])
        if any(map(self._is_output, readers)):
            return _FEEDS_OUTPUT
        if any(self._is_output(each) for reader in readers for each in self._readers.get(reader, ())):
            return _FEEDS_FEEDER
        return _OTHER
