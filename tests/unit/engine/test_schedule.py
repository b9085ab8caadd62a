"""The order in which nodes run."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.schedule import Schedule
from comfypipe.prompt.graph import Link, Node, PromptGraph


def graph(**links: str) -> PromptGraph:
    """Make a graph of single-letter nodes: ``d="ab"`` is a node *d* that reads *a* and *b*."""
    return PromptGraph(
        {
            name: Node(name, "C", {f"in{index}": Link(parent, 0) for index, parent in enumerate(parents)})
            for name, parents in links.items()
        }
    )


def schedule(parsed: PromptGraph, outputs: str, done: str = "", lazy: Iterable[tuple[str, str]] = ()) -> Schedule:
    """Make a schedule that wants *outputs*."""
    made = Schedule(
        parsed,
        done=lambda node_id: node_id in done,
        is_output=lambda node_id: node_id in outputs,
        is_lazy=lambda node_id, name: (node_id, name) in set(lazy),
    )
    made.want(outputs)
    return made


def drained(made: Schedule) -> str:
    """Run everything; return the ids in order."""
    order = ""
    while (node_id := made.next()) is not None:
        order += node_id
        made.complete(node_id)
    return order


def test_nodes_come_after_what_they_read() -> None:
    """A diamond runs top to bottom, its last input first, as ComfyUI does."""
    assert "acbd" == drained(schedule(graph(a="", b="a", c="a", d="bc"), "d"))


def test_nodes_that_no_output_needs_do_not_run() -> None:
    """Only ancestors of wanted outputs are handed out."""
    assert "ad" == drained(schedule(graph(a="", b="a", c="b", d="a"), "d"))


def test_outputs_show_as_early_as_they_can() -> None:
    """A ready output goes before others; a node that feeds an output before one that does not."""
    parsed = graph(a="", b="a", c="b", x="c", y="a")
    assert "aybcx" == drained(schedule(parsed, "xy"))


def test_what_is_done_is_neither_run_nor_are_its_inputs() -> None:
    """Below a cached node nothing runs."""
    assert "cd" == drained(schedule(graph(a="", b="a", c="b", d="c"), "d", done="b"))


def test_cached_output_is_handed_out_alone() -> None:
    """An output whose result is there still comes, so that it can be shown again."""
    assert "d" == drained(schedule(graph(a="", d="a"), "d", done="d"))


def test_lazy_input_runs_only_when_required() -> None:
    """A lazy branch is left alone, unless the node asks for it."""
    parsed = graph(a="", b="", s="ab", o="s")
    made = schedule(parsed, "o", lazy=[("s", "in0"), ("s", "in1")])
    assert "s" == made.next()
    made.require("s", ["in1"])
    assert "bso" == drained(made)


def test_chain_of_many_nodes() -> None:
    """Ten thousand nodes in a row are no deeper than one."""
    names = [str(number) for number in range(10_000)]
    nodes: dict[str, Node] = {}
    for index, name in enumerate(names):
        inputs: dict[str, Any] = {"in": Link(names[index - 1], 0)} if index else {}
        nodes[name] = Node(name, "C", inputs)
    made = Schedule(PromptGraph(nodes), done=lambda _: False, is_output="9999".__eq__, is_lazy=lambda *_: False)
    made.want(["9999"])
    order = []
    while (node_id := made.next()) is not None:
        order.append(node_id)
        made.complete(node_id)
    assert names == order


def test_nodes_that_wait_for_each_other_are_an_error() -> None:
    """A cycle is named, not waited for."""
    made = schedule(graph(a="b", b="a", d="a"), "d")
    with pytest.raises(ValueError, match="Dependency cycle detected"):
        drained(made)


@given(
    st.lists(st.sets(st.integers(0, 15), max_size=4), min_size=1, max_size=16), st.sets(st.integers(0, 15)), st.data()
)
def test_any_graph_runs_every_needed_node_once_and_in_order(
    reads: list[set[int]], done: set[int], data: st.DataObject
) -> None:
    """Whatever the graph: ancestors of the outputs, each once, each after what it reads; nothing below what is done."""
    nodes = {
        str(index): Node(str(index), "C", {f"in{parent}": Link(str(parent), 0) for parent in parents if parent < index})
        for index, parents in enumerate(reads)
    }
    parsed = PromptGraph(nodes)
    wanted = data.draw(st.sets(st.sampled_from(sorted(nodes)), min_size=1))
    finished = {str(each) for each in done}
    made = Schedule(parsed, done=finished.__contains__, is_output=wanted.__contains__, is_lazy=lambda *_: False)
    made.want(sorted(wanted))
    order: list[str] = []
    while (node_id := made.next()) is not None:
        parents = {link.node_id for _, link in nodes[node_id].links()}
        assert node_id in finished or parents <= finished | set(order)
        order.append(node_id)
        made.complete(node_id)
    assert len(order) == len(set(order))
    open_nodes = PromptGraph({key: Node(key, "C", {}) if key in finished else node for key, node in nodes.items()})
    assert open_nodes.ancestors(wanted) - (finished - wanted) == set(order)
