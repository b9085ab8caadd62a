"""Subgraphs: their inner nodes, and the widgets that their instances hold for them."""

import pytest
from tests.unit.importing.builders import a_graph, a_node, a_scope, a_subgraph, convert, inputs_of

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed

SAMPLER = a_subgraph(
    "S",
    a_scope(
        a_node(5, "Sample", [7, "fixed", 20, "ddim"], {"latent": (-10, 0), "steps": (-10, 1)}, widgets=["steps"]),
        inputs=["latent", "steps"],
        outputs={"LATENT": (5, 0)},
    ),
)
READER = a_node(9, "Decode", [], {"samples": (8, 0)})


def sampled(instance: JSONObject, *others: JSONObject) -> dict[str, JSONObject]:
    """Return the inputs of all nodes of a graph with one instance of ``SAMPLER``."""
    return inputs_of(a_graph(a_node(1, "Blank", [64, 64]), instance, *others, READER, subgraphs=[SAMPLER]))


def test_inner_nodes_have_the_instance_in_their_id() -> None:
    """Links go through the border both ways; ids are the instance's, a colon, the node's."""
    assert {
        "1": {"width": 64, "height": 64},
        "9": {"samples": ["8:5", 0]},
        "8:5": {"seed": 7, "steps": 20, "sampler": "ddim", "latent": ["1", 0]},
    } == sampled(a_node(8, "S", [], {"latent": (1, 0)}))


def test_the_instance_value_of_a_promoted_widget_wins() -> None:
    """Values of the instance belong, by position, to the inputs that stand for widgets."""
    assert sampled(a_node(8, "S", [31], {"latent": (1, 0)}))["8:5"]["steps"] == 31


def test_an_outer_link_wins_over_both_values() -> None:
    """What the promoted input is linked to counts."""
    linked = a_node(8, "S", [31], {"steps": (2, 0)}, widgets=["steps"])
    assert sampled(linked, a_node(2, "Plain", ["x"]))["8:5"]["steps"] == ["2", 0]


def test_an_outer_link_that_ends_leaves_the_inner_value() -> None:
    """A muted source takes its link away, and the value inside shows again."""
    linked = a_node(8, "S", [31], {"steps": (2, 0)}, widgets=["steps"])
    assert sampled(linked, a_node(2, "Plain", ["x"], mode=2))["8:5"]["steps"] == 20


def test_a_promoted_text_is_no_dynamic_prompt() -> None:
    """The instance's value goes in as it is, while a text inside is resolved."""
    inner = a_scope(
        a_node(5, "Encode", ["{a|b}"]),
        a_node(6, "Encode", ["{a|b}"], {"text": (-10, 0)}, widgets=["text"]),
        inputs=["text"],
    )
    graph = a_graph(a_node(8, "S", ["{c|d}"]), subgraphs=[a_subgraph("S", inner)])
    assert {"8:5": {"text": "a"}, "8:6": {"text": "{c|d}"}} == inputs_of(graph)


def test_two_instances_hold_their_own_values() -> None:
    """Each unfolds by itself."""
    graph = a_graph(a_node(7, "S", [1]), a_node(8, "S", [2]), subgraphs=[SAMPLER])
    assert [node["steps"] for node in inputs_of(graph).values()] == [1, 2]


def test_widgets_are_promoted_through_nested_subgraphs() -> None:
    """The outermost instance's value reaches the innermost node; ids name the whole way."""
    outer = a_scope(a_node(8, "S", [50], {"steps": (-10, 0)}, widgets=["steps"]), inputs=["steps"])
    graph = a_graph(a_node(9, "O", [31]), subgraphs=[SAMPLER, a_subgraph("O", outer)])
    assert {"9:8:5": {"seed": 7, "steps": 31, "sampler": "ddim"}} == inputs_of(graph)
    graph["nodes"][0]["widgets_values"] = []
    assert inputs_of(graph)["9:8:5"]["steps"] == 50


@pytest.mark.parametrize("mode", [2, 4])
def test_an_instance_that_does_not_run_is_left_out_at_the_root(mode: int) -> None:
    """Muted, nothing comes through; bypassed, its first fitting input does."""
    instance = a_node(8, "S", [], {"latent": (1, 0)}, mode=mode)
    expected: JSONObject = {"samples": ["1", 0]} if mode == 4 else {}
    assert {"1": {"width": 64, "height": 64}, "9": expected} == sampled(instance)


def test_a_bypassed_instance_inside_another_is_unfolded_all_the_same() -> None:
    """Below the root only the inner nodes' own modes count."""
    outer = a_scope(a_node(8, "S", [], mode=4), inputs=[])
    graph = a_graph(a_node(9, "O"), subgraphs=[SAMPLER, a_subgraph("O", outer)])
    assert list(convert(graph).prompt) == ["9:8:5"]


def test_an_input_that_goes_straight_to_an_output_passes_through() -> None:
    """A subgraph may hand on what it is given."""
    inner = a_scope(inputs=["a", "b"], outputs={"out": (-10, 1)})
    graph = a_graph(
        a_node(1, "Plain", ["x"]),
        a_node(2, "Plain", ["y"]),
        a_node(8, "S", [], {"a": (1, 0), "b": (2, 0)}),
        a_node(9, "Anything", [], {"value": (8, 0)}),
        subgraphs=[a_subgraph("S", inner)],
    )
    assert inputs_of(graph)["9"] == {"value": ["2", 0]}


def test_a_primitive_inside_writes_inside() -> None:
    """Primitives work in their own scope."""
    inner = a_scope(
        a_node(4, "PrimitiveNode", [66, "fixed"]), a_node(5, "Blank", [1, 2], {"width": (4, 0)}, widgets=["width"])
    )
    graph = a_graph(a_node(8, "S"), subgraphs=[a_subgraph("S", inner)])
    assert {"8:5": {"width": 66, "height": 2}} == inputs_of(graph)


def proxied(proxies: list[JSON], values: list[JSON], *inner: JSONObject, inputs: tuple[str, ...] = ()) -> JSONObject:
    """Return the inputs of all nodes of a subgraph whose instance has *proxies*, as saves of 2025 do."""
    scope = a_scope(*inner, inputs=inputs)
    instance = a_node(8, "S", values, properties={"proxyWidgets": proxies})
    return inputs_of(a_graph(instance, subgraphs=[a_subgraph("S", scope)]))


def test_proxies_hold_values_for_widgets_that_are_not_linked() -> None:
    """Each entry names an inner node and widget; its value is the instance's of the same place, else the inner one."""
    assert {"8:5": {"width": 1024, "height": 2}} == proxied(
        [["5", "width"], ["5", "height"], ["5", "nothing"], ["77", "gone"]], [1024], a_node(5, "Blank", [1, 2])
    )


def test_proxies_of_linked_inputs_name_their_place_in_the_values() -> None:
    """Where the proxies' order differs from the inputs', the proxies' counts."""
    node = a_node(5, "Blank", [1, 2], {"width": (-10, 0), "height": (-10, 1)}, widgets=["width", "height"])
    proxies: list[JSON] = [["5", "height"], ["-1", "width"]]
    assert {"8:5": {"width": 20, "height": 10}} == proxied(proxies, [10, 20], node, inputs=("width", "height"))


def test_proxies_may_carry_the_ids_of_older_saves() -> None:
    """``6: width`` means ``width`` of the node inside the nested instance."""
    inner = a_scope(a_node(6, "Blank", [1, 2], {"width": (-10, 0)}, widgets=["width"]), inputs=["wide"])
    outer = a_scope(a_node(5, "I"))
    instance = a_node(8, "S", [640], properties={"proxyWidgets": [["5", "6: width"]]})
    graph = a_graph(instance, subgraphs=[a_subgraph("S", outer), a_subgraph("I", inner)])
    assert {"8:5:6": {"width": 640, "height": 2}} == inputs_of(graph)


def test_proxies_of_a_primitive_reach_what_it_is_linked_to() -> None:
    """The instance's value takes the primitive's place; two different widgets of it are one too many."""
    nodes = (
        a_node(4, "PrimitiveNode", [66, "fixed"]),
        a_node(5, "Blank", [1, 2], {"width": (4, 0)}, widgets=["width"]),
    )
    assert {"8:5": {"width": 7, "height": 2}} == proxied([["4", "value"]], [7], *nodes)
    both: list[JSON] = [["4", "value"], ["4", "control_after_generate"]]
    assert {"8:5": {"width": 66, "height": 2}} == proxied(both, [7, "fixed"], *nodes)


def test_values_that_were_kept_aside_come_back_by_name() -> None:
    """What an earlier version could not place belongs to the input of its name."""
    kept = [{"originalEntry": ["-1", "steps"], "hostValue": 99}, {"originalEntry": ["5", "steps"], "hostValue": 1}]
    instance = a_node(8, "S", [31], properties={"proxyWidgetErrorQuarantine": kept})
    assert sampled(instance)["8:5"]["steps"] == 99


def test_a_subgraph_that_holds_itself_is_an_error() -> None:
    """A cycle of definitions is named, not followed."""
    graph = a_graph(
        a_node(1, "A"),
        subgraphs=[a_subgraph("A", a_scope(a_node(2, "B")), "Left"), a_subgraph("B", a_scope(a_node(3, "A")), "Right")],
    )
    with pytest.raises(ImportFailed, match="subgraph 'Left' holds itself"):
        convert(graph)


def test_subgraphs_that_multiply_are_an_error() -> None:
    """Thirty definitions, each with two instances of the next, are a billion nodes: refused at once."""
    definitions = [a_subgraph(f"S{at}", a_scope(a_node(1, f"S{at + 1}"), a_node(2, f"S{at + 1}"))) for at in range(30)]
    with pytest.raises(ImportFailed, match="more than 50,000 nodes"):
        convert(a_graph(a_node(1, "S0"), subgraphs=definitions))
