import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.prompt.builders import good_prompt, prompt

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import PromptInvalid
from comfypipe.prompt.graph import Link, PromptGraph, parse_input

DOCUMENT: JSONObject = {
    "4": {
        "class_type": "Save",
        "inputs": {"images": ["2", 0], "prefix": "a", "empty": []},
        "_meta": {"title": "The end"},
        "is_changed": ["x"],
    },
    "2": {"class_type": "Make", "inputs": {"width": 8}},
    "9": {"class_type": "Odd"},
}


def test_document_survives() -> None:
    """Parsing and writing a prompt changes nothing: keys that only others know stay, and so does the order."""
    written = PromptGraph.parse(DOCUMENT).to_json()
    assert (DOCUMENT, list(DOCUMENT)) == (written, list(written))


def test_titles_and_links() -> None:
    """Nodes know their title and which of their inputs are links."""
    node = PromptGraph.parse(DOCUMENT).nodes["4"]
    assert ("The end", [("images", Link("2", 0))]) == (node.title, list(node.links()))


@pytest.mark.parametrize("value", [["1"], ["1", "0"], [1, 0], ["1", 0, 0], ["1", 1.0], [], "1", {"a": ["1", 0]}, None])
def test_only_well_formed_links_are_links(value: JSON) -> None:
    """What a server would trip over stays as it is, for validation to name."""
    assert value == parse_input(value)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a prompt is a JSON object of nodes, not list"),
        ({"nodes": []}, "this is a UI graph"),
        ({"1": 3}, "node 1 is not an object"),
        ({"1": {"inputs": {}}}, "node 1 has no class_type"),
        ({"1": {"class_type": "A", "inputs": []}}, "the inputs of node 1 are not an object"),
    ],
)
def test_no_prompt_at_all(document: JSON, message: str) -> None:
    """What is no prompt is refused with ComfyUI's top-level type."""
    with pytest.raises(PromptInvalid, match=message) as raised:
        PromptGraph.parse(document)
    assert "invalid_prompt" == raised.value.error["type"]


def test_order() -> None:
    """A node comes after all that it reads, else in the order of the document."""
    graph = prompt(
        n3=("Save", {"images": ["2", 0]}),
        n2=("Scale", {"image": ["1", 0], "mask": ["5", 0]}),
        n1=("Make", {}),
        n5=("Make", {}),
        n4=("Make", {"x": ["77", 0]}),
    )
    assert ("1", "5", "2", "3", "4") == graph.order()


def test_order_of_a_cycle() -> None:
    """A cycle has no order; the error says where it is."""
    graph = prompt(n1=("Scale", {"image": ["2", 0]}), n2=("Scale", {"image": ["1", 0]}))
    with pytest.raises(PromptInvalid, match="waits for itself") as raised:
        graph.order()
    assert "dependency_cycle" == raised.value.error["type"]


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 11)), max_size=40))
def test_order_of_any_graph(edges: list[tuple[int, int]]) -> None:
    """In any graph without cycles every node comes once, after its parents."""
    links = {node: {f"i{parent}": [str(parent), 0] for n, parent in edges if n == node > parent} for node in range(13)}
    document = {str(node): {"class_type": "N", "inputs": inputs} for node, inputs in links.items()}
    graph = PromptGraph.parse(document)
    order = graph.order()
    assert sorted(document) == sorted(order)
    for node_id in order:
        for _, link in graph.nodes[node_id].links():
            assert order.index(link.node_id) < order.index(node_id)


def test_ancestors() -> None:
    """The ancestors of nodes are all that they read, themselves among them; unknown ids are passed over."""
    graph = good_prompt()
    assert (frozenset({"1", "2"}), frozenset()) == (graph.ancestors(["2"]), graph.ancestors(["77"]))


def test_find() -> None:
    """A node is found by id, or by a title that only one has."""
    twins = {key: {"class_type": "A", "_meta": {"title": "Twin"}} for key in ("5", "6")}
    graph = PromptGraph.parse(DOCUMENT | twins)
    assert ("4", "4") == (graph.find("4").id, graph.find("The end").id)
    with pytest.raises(PromptInvalid, match='2 nodes have the title "Twin": 5, 6'):
        graph.find("Twin")
    with pytest.raises(PromptInvalid) as raised:
        graph.find("The and")
    assert "did you mean The end?" == raised.value.hint


def test_long_chain_has_an_order() -> None:
    """A chain of 1,500 nodes is no matter of recursion."""
    links = {f"n{index}": ("N", {"x": [str(index + 1), 0]}) for index in range(1500)}
    assert "1499" == prompt(**links).order()[0]
