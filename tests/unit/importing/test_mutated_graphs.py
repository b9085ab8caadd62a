"""Whatever is done to a graph or a catalog, conversion ends, with a prompt or with a clear refusal."""

import copy
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.importing.builders import CATALOG, a_graph, a_node, a_scope, a_subgraph, convert

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed
from comfypipe.prompt.graph import PromptGraph

INNER = a_subgraph(
    "S",
    a_scope(
        a_node(3, "PrimitiveNode", [5, "fixed"]),
        a_node(4, "Blank", [1, 2], {"width": (3, 0), "height": (-10, 1)}, widgets=["width", "height"]),
        a_node(5, "Sample", [7, "fixed", 20, "ddim"], {"latent": (-10, 0)}),
        a_node(6, "T", [9], {"value": (-10, 2)}, widgets=["value"]),
        inputs=["latent", "height", "deep"],
        outputs={"LATENT": (5, 0)},
    ),
)
DEEPER = a_subgraph("T", a_scope(a_node(1, "Plain", ["{a|b}"], {"text": (-10, 0)}, widgets=["text"]), inputs=["value"]))
GROUP = {
    "nodes": [
        {"id": 1, "type": "Blank", "inputs": [], "widgets_values": [1, 2], "index": 0},
        {"id": 2, "type": "Sample", "inputs": [{"name": "latent", "type": "LATENT", "link": None}], "index": 1},
    ],
    "links": [[0, 0, 1, 0, 1, "LATENT"]],
    "external": [[0, 0, "LATENT"]],
    "config": {"1": {"input": {"latent": {"visible": True}}}},
}
GRAPH = a_graph(
    a_node(1, "Checkpoint", ["a.safetensors"]),
    a_node(2, "Encode", ["// x\n{a|b}"], {"clip": (1, 1)}),
    a_node(10, "workflow>G", [1, 2, 3, "fixed", 4, "ddim"]),
    a_node(11, "Reroute", [], {"": (10, 0)}),
    a_node(12, "SetNode", ["v"], {"x": (11, 0)}),
    a_node(13, "GetNode", ["v"]),
    a_node(
        8,
        "S",
        [31, "x"],
        {"latent": (13, 0)},
        properties={
            "proxyWidgets": [["5", "seed"], ["3", "value"], ["6", "1: text"], ["-1", "height"]],
            "proxyWidgetErrorQuarantine": [{"originalEntry": ["-1", "height"], "hostValue": 1}],
        },
    ),
    a_node(14, "Decode", [], {"samples": (8, 0), "vae": (1, 2)}, mode=4),
    a_node(15, "SaveImage", ["%Blank.width%%date:yy%"], {"images": (14, 0)}),
    subgraphs=[INNER, DEEPER],
    extra={"groupNodes": {"G": GROUP}},
)

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-20, 20),
    st.floats(),
    st.sampled_from(
        ["S", "T", "-10", "-20", "Blank", "Reroute", "workflow>G", "GetNode", "5", "latent", "%S.height%", ""]
    ),
    st.just([]),
    st.just({}),
    st.lists(st.integers(-20, 20), max_size=7),
    st.dictionaries(st.sampled_from(["id", "name", "link", "type"]), st.integers(0, 20), max_size=3),
)


def places(value: JSON) -> list[tuple[JSON, JSON]]:
    """Return every container and key in *value*."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[JSON, JSON]] = []
    for key, each in items:
        found.append((value, key))
        found.extend(places(each))
    return found


@st.composite
def mutated(draw: st.DrawFn, original: JSONObject) -> JSONObject:
    """Draw a copy of *original* with a few parts replaced, removed, repeated or put elsewhere."""
    document: JSONObject = copy.deepcopy(original)
    for _ in range(draw(st.integers(1, 6))):
        found = places(document)
        if not found:
            break
        container, key = draw(st.sampled_from(found))
        kind = draw(st.sampled_from(["replace", "move", "remove", "repeat"]))
        if kind == "replace":
            container[key] = draw(ODD)
        elif kind == "move":
            other, name = draw(st.sampled_from(found))
            container[key] = copy.deepcopy(other[name])
        elif kind == "remove":
            del container[key]
        elif isinstance(container, list):
            container.append(copy.deepcopy(container[key]))
    return document


def check(graph: JSONObject, catalog: JSONObject) -> None:
    """Convert, and hold what comes out against the shape of a prompt."""
    try:
        prompt = convert(graph, catalog).prompt
    except ImportFailed as error:
        assert error.message  # noqa: PT017  a refusal is as good as a prompt, if it says something
        return
    json.dumps(prompt, allow_nan=False)
    for node in PromptGraph.parse(prompt).nodes.values():
        for _, link in node.links():
            assert link.node_id in prompt


ROUGH = settings(deadline=2000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@ROUGH
@given(mutated(GRAPH))
def test_a_mutated_graph_gives_a_prompt_or_a_refusal(graph: JSONObject) -> None:
    """No crash and no hang; every link of the prompt leads to a node of it."""
    check(graph, CATALOG)


@ROUGH
@given(mutated(CATALOG))
def test_a_mutated_catalog_gives_a_prompt_or_a_refusal(catalog: JSONObject) -> None:
    """Neither does a server's odd description of its nodes do harm."""
    check(GRAPH, catalog)


def test_the_graph_that_is_mutated_converts_as_it_is() -> None:
    """It has all that mutation is to touch."""
    conversion = convert(GRAPH)
    assert conversion.unknown == ()
    assert conversion.warnings == ()
    assert list(conversion.prompt) == ["1", "2", "15", "8:4", "8:5", "10:0", "10:1", "8:6:1"]
