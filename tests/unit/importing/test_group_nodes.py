"""Group nodes, the older way to put nodes into one."""

import pytest
from tests.unit.importing.builders import a_graph, a_node, convert, inputs_of

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed


def a_group(*nodes: JSONObject, links: list[JSON], **more: JSON) -> JSONObject:
    """Return the definition of a group node."""
    inner = [{**each, "index": at, "outputs": []} for at, each in enumerate(nodes)]
    return {"nodes": inner, "links": links, "external": [], **more}


def slots(**kinds: str) -> list[JSON]:
    """Return input slots by name and type."""
    return [{"name": name, "type": kind, "link": None} for name, kind in kinds.items()]


BLANK = {"id": 2, "type": "Blank", "inputs": [], "widgets_values": [512, 640]}
SAMPLE = {
    "id": 5,
    "type": "Sample",
    "inputs": slots(model="MODEL", positive="CONDITIONING", latent="LATENT"),
    "widgets_values": [42, "randomize", 7, "ddim"],
}


def test_a_group_is_its_nodes_with_the_values_of_the_instance() -> None:
    """Values run through all inner widgets; free inputs and outputs are those of the instance, by name and place."""
    graph = a_graph(
        a_node(1, "Checkpoint", ["a.safetensors"]),
        a_node(5, "workflow>Mine", [64, 32, 9, "fixed", 3, "euler"], {"model": (1, 0)}),
        a_node(6, "Decode", [], {"samples": (5, 0)}),
        extra={"groupNodes": {"Mine": a_group(BLANK, SAMPLE, links=[[0, 0, 1, 2, 2, "LATENT"]])}},
    )
    assert {
        "1": {"name": "a.safetensors"},
        "6": {"samples": ["5:1", 0]},
        "5:0": {"width": 64, "height": 32},
        "5:1": {"seed": 9, "steps": 3, "sampler": "euler", "model": ["1", 0], "latent": ["5:0", 0]},
    } == inputs_of(graph)


def test_an_instance_without_values_has_those_of_the_definition() -> None:
    """The definition's own values are the defaults."""
    graph = a_graph(a_node(5, "workflow>Mine"), extra={"groupNodes": {"Mine": a_group(BLANK, links=[])}})
    assert {"5:0": {"width": 512, "height": 640}} == inputs_of(graph)


def test_inputs_of_one_name_are_told_apart_by_their_nodes_title() -> None:
    """The second of a name has the title of its node before it, the third a number, too."""
    save = {"id": 1, "type": "SaveImage", "inputs": slots(images="IMAGE"), "widgets_values": ["x"], "title": "Keep"}
    graph = a_graph(
        a_node(1, "Decode"),
        a_node(2, "Decode"),
        a_node(3, "Decode"),
        a_node(5, "workflow>Three", [], {"Keep 2 images": (3, 0), "Keep images": (2, 0), "images": (1, 0)}),
        extra={"groupNodes": {"Three": a_group(save, save, save, links=[])}},
    )
    found = inputs_of(graph)
    assert [["1", 0], ["2", 0], ["3", 0]] == [found[f"5:{at}"]["images"] for at in range(3)]


def test_a_hidden_input_is_none_of_the_instance() -> None:
    """The group's configuration may hide an input, which is then never linked from outside."""
    config = {"1": {"input": {"model": {"visible": False}}}}
    graph = a_graph(
        a_node(1, "Checkpoint", ["a.safetensors"]),
        a_node(5, "workflow>Mine", [], {"model": (1, 0)}),
        extra={"groupNodes": {"Mine": a_group(BLANK, SAMPLE, links=[], config=config)}},
    )
    assert "model" not in inputs_of(graph)["5:1"]


def test_groups_nest() -> None:
    """A group inside a group unfolds like a subgraph inside a subgraph."""
    inner = {"id": 1, "type": "workflow>Mine", "inputs": [], "widgets_values": [8, 9]}
    groups = {"Mine": a_group(BLANK, links=[]), "Outer": a_group(inner, links=[])}
    assert {"7:0:0": {"width": 8, "height": 9}} == inputs_of(
        a_graph(a_node(7, "workflow>Outer"), extra={"groupNodes": groups})
    )


def test_a_group_that_holds_itself_is_an_error() -> None:
    """A cycle of groups is named, not followed."""
    inner = {"id": 1, "type": "workflow>Mine", "inputs": []}
    graph = a_graph(a_node(7, "workflow>Mine"), extra={"groupNodes": {"Mine": a_group(inner, links=[])}})
    with pytest.raises(ImportFailed, match="'workflow>Mine' holds itself"):
        convert(graph)
