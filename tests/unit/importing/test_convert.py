"""What nodes, widgets and links of a UI graph become in the prompt."""

import pytest
from tests.unit.importing.builders import a_class, a_graph, a_node, convert, inputs_of

from comfypipe.importing.convert import Conversion


def test_a_node_becomes_its_widgets_by_position_and_then_its_links() -> None:
    """Values go to the class's widgets in declared order; a seed's control is not sent; links follow."""
    graph = a_graph(
        a_node(1, "Checkpoint", ["b.safetensors"]),
        a_node(2, "Sample", [7, "randomize", 30, "ddim"], {"model": (1, 0)}, title="Draw", properties={"ver": "1.2"}),
    )
    assert {
        "1": {
            "inputs": {"name": "b.safetensors"},
            "class_type": "Checkpoint",
            "_meta": {"title": "Checkpoint"},
        },
        "2": {
            "inputs": {"seed": 7, "steps": 30, "sampler": "ddim", "model": ["1", 0]},
            "class_type": "Sample",
            "_meta": {"title": "Draw", "ver": "1.2"},
        },
    } == convert(graph).prompt


def test_a_node_without_a_title_has_the_one_of_its_class() -> None:
    """``_meta.title`` is what the editor would show."""
    assert convert(a_graph(a_node(1, "Encode", ["x"]))).prompt["1"]["_meta"] == {"title": "Encode Text"}


def test_values_that_are_missing_are_defaults_and_more_than_enough_are_ignored() -> None:
    """Too few values leave defaults, first choices where none is declared; too many do no harm."""
    graph = a_graph(a_node(1, "Sample", [7]), a_node(2, "Blank", [1, 2, 3, 4]))
    assert {
        "1": {"seed": 7, "steps": 20, "sampler": "euler"},
        "2": {"width": 1, "height": 2},
    } == inputs_of(graph)


def test_values_are_not_checked() -> None:
    """A missing control value shifts the rest and null stays null, as in the editor."""
    graph = a_graph(a_node(1, "Sample", [7, 30, "ddim"]), a_node(2, "Blank", [None, "wide"]))
    assert {
        "1": {"seed": 7, "steps": "ddim", "sampler": "euler"},
        "2": {"width": None, "height": "wide"},
    } == inputs_of(graph)


def test_values_saved_by_name_count_for_no_class_but_those_that_save_so() -> None:
    """An object in place of the list is ignored, except for VideoHelperSuite's classes."""
    catalog = {
        "Blank": a_class({"width": ["INT", {"default": 512}]}, outputs=("LATENT",)),
        "VHS_Load": a_class({"video": ["STRING", {}]}, outputs=("IMAGE",)),
    }
    graph = a_graph(
        a_node(1, "Blank", {"width": 64}),
        a_node(2, "VHS_Load", {"video": "a.mp4", "crf": 19, "videopreview": {"hidden": False}}),
    )
    assert {"1": {"width": 512}, "2": {"video": "a.mp4", "crf": 19}} == inputs_of(graph, catalog)


def test_lists_are_boxed_so_that_they_are_no_links() -> None:
    """A list as a value becomes ``{"__value__": [...]}``."""
    assert {"1": {"width": {"__value__": ["2", 0]}, "height": 1}} == inputs_of(
        a_graph(a_node(1, "Blank", [["2", 0], 1]))
    )


def test_numbers_are_doubles() -> None:
    """Integers beyond 2**53 are rounded as a browser does; 8.0 is 8."""
    graph = a_graph(a_node(1, "Blank", [2**53 + 1, 18446744073709551615]), a_node(2, "Blank", [8.0, 0.1]))
    assert {
        "1": {"width": 2**53, "height": 18446744073709551616},
        "2": {"width": 8, "height": 0.1},
    } == inputs_of(graph)


def test_notes_and_muted_nodes_go_and_lonely_ones_stay() -> None:
    """A muted node is left out with the links to it; a node that nothing is linked to is kept."""
    graph = a_graph(
        a_node(1, "Note", ["read me"]),
        a_node(2, "MarkdownNote", ["# read me"]),
        a_node(3, "Blank", [64, 64], mode=2),
        a_node(4, "Sample", [7, "fixed", 3, "ddim"], {"latent": (3, 0)}),
        a_node(5, "Blank", [1, 1], mode=1),
        a_node(6, "Blank", [2, 2], mode=3),
    )
    assert {
        "4": {"seed": 7, "steps": 3, "sampler": "ddim"},
        "5": {"width": 1, "height": 1},
        "6": {"width": 2, "height": 2},
    } == inputs_of(graph)


def test_a_widget_that_a_muted_node_fed_keeps_its_stored_value() -> None:
    """The link goes, the value under it counts."""
    graph = a_graph(
        a_node(1, "Plain", ["from afar"], mode=2),
        a_node(2, "Encode", ["stored"], {"text": (1, 0)}, widgets=["text"]),
    )
    assert {"2": {"text": "stored"}} == inputs_of(graph)


def test_a_linked_widget_is_a_link() -> None:
    """What a widget's input is linked to stands in place of its value."""
    graph = a_graph(
        a_node(1, "Plain", ["from afar"]), a_node(2, "Encode", ["stored"], {"text": (1, 0)}, widgets=["text"])
    )
    assert {"1": {"text": "from afar"}, "2": {"text": ["1", 0]}} == inputs_of(graph)


@pytest.mark.parametrize("mode", [0, 2])
def test_a_primitive_writes_into_the_widget_it_is_linked_to(mode: int) -> None:
    """The target has the primitive's value, which counts even where the primitive is muted."""
    graph = a_graph(
        a_node(1, "PrimitiveNode", [99, "fixed"], mode=mode),
        a_node(2, "Sample", [7, "fixed", 3, "ddim"], {"seed": (1, 0)}, widgets=["seed"]),
        a_node(3, "Sample", [8, "fixed", 4, "ddim"], {"seed": (1, 0), "steps": (1, 0)}, widgets=["seed", "steps"]),
    )
    assert {
        "2": {"seed": 99, "steps": 3, "sampler": "ddim"},
        "3": {"seed": 99, "steps": 99, "sampler": "ddim"},
    } == inputs_of(graph)


def test_a_primitive_without_a_value_leaves_its_target_alone() -> None:
    """Nothing saved, nothing written."""
    graph = a_graph(a_node(1, "PrimitiveNode"), a_node(2, "Blank", [5, 6], {"width": (1, 0)}, widgets=["width"]))
    assert {"2": {"width": 5, "height": 6}} == inputs_of(graph)


def test_a_link_that_only_the_list_has_is_mended() -> None:
    """Where a slot's link is missing or leads nowhere, the list of links tells."""
    graph = a_graph(a_node(1, "Blank", [1, 1]), a_node(2, "Sample", [7], {"latent": (1, 0)}))
    for broken in (None, 9999):
        graph["nodes"][1]["inputs"][0]["link"] = broken
        assert inputs_of(graph)["2"]["latent"] == ["1", 0]


def test_links_to_nowhere_are_dropped_with_a_warning() -> None:
    """An input whose link, or whose origin, does not exist is not connected."""
    graph = a_graph(a_node(2, "Sample", [7], {"latent": (99, 0)}))
    graph["nodes"][0]["inputs"].append({"name": "model", "type": "MODEL", "link": 1234})
    conversion = convert(graph)
    assert conversion.prompt["2"]["inputs"] == {"seed": 7, "steps": 20, "sampler": "euler"}
    assert conversion.warnings == (
        "input latent of node 2 (Sample) is linked to node 99, which is not there",
        "input model of node 2 (Sample) has a link that leads nowhere",
    )


def test_unknown_classes_are_named_and_their_values_guessed() -> None:
    """Of a class that the catalog lacks, names come from the save; without any the values are reported lost."""
    graph = a_graph(
        a_node(
            1, "New", [5, "randomize", "x"], widgets_values_named={"seed": 5, "control_after_generate": "x", "t": "x"}
        ),
        a_node(
            2,
            "Newer",
            [5, "fixed", "x"],
            inputs=[{"name": "a", "type": "INT", "widget": {"name": "a"}}, {"name": "b", "widget": {"name": "b"}}],
        ),
        a_node(3, "Newest", [5, "fixed"], {"image": (1, 0)}),
    )
    expected = Conversion(
        prompt={
            "1": {"inputs": {"seed": 5, "t": "x"}, "class_type": "New", "_meta": {"title": "New"}},
            "2": {"inputs": {"a": 5, "b": "x"}, "class_type": "Newer", "_meta": {"title": "Newer"}},
            "3": {"inputs": {"image": ["1", 0]}, "class_type": "Newest", "_meta": {"title": "Newest"}},
        },
        unknown=("New", "Newer", "Newest"),
        warnings=("node 3 is of class Newest, which the catalog does not have: its 2 values cannot be placed",),
    )
    assert expected == convert(graph)


def test_ids_are_ordered_as_the_editor_does() -> None:
    """Numbers come first and ascend."""
    graph = a_graph(a_node("x", "Blank"), a_node(10, "Blank"), a_node(9.0, "Blank"))
    assert list(convert(graph).prompt) == ["9", "10", "x"]
