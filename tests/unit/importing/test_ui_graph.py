"""Reading of UI graphs, with all that saves vary in."""

import pytest

from comfypipe._types import JSON
from comfypipe.errors import ImportFailed
from comfypipe.importing.ui_graph import (
    Mode,
    UIBorderSlot,
    UIGraph,
    UIInput,
    UILink,
    UINode,
    UIOutput,
    UIScope,
    is_ui_graph,
    parse_ui_graph,
)


@pytest.mark.parametrize(
    "links",
    [
        [[4, 1, 0, 2, 0, "IMAGE"]],
        [{"id": 4, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 0, "type": "IMAGE"}],
    ],
)
def test_links_are_lists_or_objects(links: JSON) -> None:
    """Versions 0.4 and 1.0 read alike."""
    document = {
        "version": 1,
        "nodes": [
            {"id": 1, "type": "A", "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [4]}], "mode": 4},
            {"id": 2, "type": "B", "inputs": [{"name": "image", "type": "IMAGE", "link": 4}], "widgets_values": [1]},
        ],
        "links": links,
    }
    nodes = {
        "1": UINode("1", "A", None, Mode.BYPASSED, (), (UIOutput("IMAGE", "IMAGE"),)),
        "2": UINode("2", "B", None, Mode.ALWAYS, (UIInput("image", "IMAGE", "4"),), (), (1,)),
    }
    assert UIGraph(UIScope(nodes, {"4": UILink("4", "1", 0, "2", 0, "IMAGE")})) == parse_ui_graph(document)


def test_subgraphs_are_read_with_their_borders() -> None:
    """Inputs and outputs keep the links inside that hang on them."""
    definition = {
        "id": "abc",
        "name": "Part",
        "inputs": [{"name": "a", "type": "INT", "linkIds": [1], "label": "Size"}],
        "outputs": [{"name": "b", "type": "IMAGE"}],
        "nodes": [],
        "links": [],
    }
    found = parse_ui_graph({"nodes": [], "definitions": {"subgraphs": [definition]}}).subgraphs["abc"]
    assert (UIBorderSlot("a", "INT", ("1",), "Size"),) == found.inputs
    assert (UIBorderSlot("b", "IMAGE", ()),) == found.outputs


@pytest.mark.parametrize(
    "damage",
    [
        {"nodes": [None, 5, {"id": 1}, {"type": "A"}, {"id": [], "type": "A"}, {"id": True, "type": "A"}]},
        {"nodes": [], "links": [None, [1, 2], {"id": 4}, [None] * 6, "x"], "definitions": 5, "extra": [], "models": {}},
        {"nodes": [], "links": {"1": None}, "definitions": {"subgraphs": {"a": 1}}, "version": "odd"},
    ],
)
def test_what_has_no_meaning_is_left_out(damage: JSON) -> None:
    """Damaged parts do no harm to the rest."""
    assert UIGraph(UIScope({}, {})) == parse_ui_graph(damage)


@pytest.mark.parametrize("document", [None, [], 5, {}, {"nodes": {}}, {"1": {"class_type": "A"}}])
def test_other_documents_are_no_ui_graph(document: JSON) -> None:
    """Without a list of nodes there is no graph."""
    assert not is_ui_graph(document)
    with pytest.raises(ImportFailed, match="no UI graph"):
        parse_ui_graph(document)


@pytest.mark.parametrize("version", [2, 7.5, "3"])
def test_versions_of_the_future_are_refused(version: JSON) -> None:
    """Nothing is known of them."""
    with pytest.raises(ImportFailed, match="newer than this program"):
        parse_ui_graph({"nodes": [], "version": version})
