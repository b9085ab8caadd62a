"""Content keys of nodes."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.signature import node_keys
from comfypipe.prompt.graph import Node, PromptGraph

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def keys(document: JSONObject, fingerprints: Mapping[str, JSON] | None = None) -> Mapping[str, bytes | None]:
    """Return the keys of all nodes of a prompt; a fingerprint of None means that there is none to rely on."""
    graph = PromptGraph.parse(document)
    known = fingerprints or {}

    def fingerprint(node: Node) -> tuple[bool, JSON]:
        return (node.id not in known or known[node.id] is not None), known.get(node.id)

    return node_keys(graph, graph.order(), fingerprint)


def node(class_type: str = "C", **inputs: JSON) -> JSONObject:
    """Return a node in API format."""
    return {"class_type": class_type, "inputs": inputs}


def test_ids_and_titles_do_not_count() -> None:
    """The same content under other ids has the same key."""
    one = keys({"1": node(x=1), "2": node(image=["1", 0])})
    two = keys({"a": {**node(x=1), "_meta": {"title": "T"}}, "b": node(image=["a", 0])})
    assert (one["1"], one["2"]) == (two["a"], two["b"])


def test_class_slot_and_ancestors_count() -> None:
    """Each of them makes another key."""
    made = [
        keys({"1": node(x=1), "2": node(image=["1", 0])})["2"],
        keys({"1": node(x=2), "2": node(image=["1", 0])})["2"],
        keys({"1": node(x=1), "2": node(image=["1", 1])})["2"],
        keys({"1": node(x=1), "2": node("D", image=["1", 0])})["2"],
        keys({"1": node(x=1), "2": node(mask=["1", 0])})["2"],
        keys({"1": node(x=1), "2": node(image=["1", 0])}, {"1": "digest"})["2"],
    ]
    assert len(made) == len(set(made))


def test_unreliable_node_spoils_those_that_read_it() -> None:
    """What must run again every time has no key, nor has what follows."""
    assert {"1": None, "2": None} == keys({"1": node(x=1), "2": node(image=["1", 0])}, {"1": None})


@given(
    first=st.dictionaries(st.text(), JSON_VALUES, max_size=3),
    second=st.dictionaries(st.text(), JSON_VALUES, max_size=3),
)
def test_other_inputs_make_another_key(first: dict[str, JSON], second: dict[str, JSON]) -> None:
    """Two sets of literals share a key only when they are written the same."""
    one, two = keys({"1": node(**first)})["1"], keys({"1": node(**second)})["1"]
    assert (one == two) == (sorted(map(repr, first.items())) == sorted(map(repr, second.items())))
