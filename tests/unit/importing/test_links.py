"""How links are followed through nodes that are not in the prompt."""

import pytest
from tests.unit.importing.builders import CATALOG, a_class, a_graph, a_node, convert, inputs_of

from comfypipe._types import JSONObject
from comfypipe.errors import ImportFailed
from comfypipe.importing.links import _fits

SOURCES = (
    a_node(1, "Decode"),
    a_node(2, "Decode"),
    a_node(3, "Blend"),
)


def bypassed(links: dict[str, tuple[int, int]], slot: int, wanted: str, target: str = "one") -> JSONObject:
    """Return the inputs of a node that reads output *slot* of a bypassed ``Blend``."""
    graph = a_graph(
        *SOURCES,
        a_node(4, "Blend", [0.5], links, mode=4),
        a_node(5, "Blend" if wanted == "IMAGE" else "Anything", [0.5], {target: (4, slot)}, types={target: wanted}),
    )
    return inputs_of(graph)["5"]


def test_bypass_takes_the_input_of_the_same_place_where_types_fit() -> None:
    """Output 0, an image, passes on input 0, an image."""
    assert {"factor": 0.5, "one": ["1", 0]} == bypassed({"one": (1, 0), "two": (2, 0)}, 0, "IMAGE")


def test_bypass_takes_the_first_input_of_exactly_the_type_elsewhere() -> None:
    """Output 1, a mask, is wanted as an image: its place holds a mask, the first image counts."""
    assert {"factor": 0.5, "one": ["1", 0]} == bypassed({"one": (1, 0), "two": (2, 0)}, 1, "IMAGE")


def test_bypass_does_not_try_another_input_when_the_match_is_not_connected() -> None:
    """The first match counts, connected or not."""
    assert {"factor": 0.5} == bypassed({"two": (2, 0)}, 0, "IMAGE")


def test_bypass_for_any_type_takes_the_same_place_else_the_first() -> None:
    """A target that takes anything gets the input of the same place; beyond the last, the first."""
    assert {"value": ["3", 1]} == bypassed({"one": (1, 0), "mask": (3, 1)}, 1, "*", "value")
    graph = a_graph(
        a_node(1, "Plain", ["x"]),
        a_node(2, "Narrow", [], {"text": (1, 0)}, mode=4),
        a_node(3, "Anything", [], {"value": (2, 1)}),
    )
    catalog = CATALOG | {"Narrow": a_class({"text": ["STRING", {"forceInput": True}]}, outputs=("INT", "STRING"))}
    assert {"value": ["1", 0]} == inputs_of(graph, catalog)["3"]


def test_bypass_without_a_match_drops_plain_inputs_and_leaves_widgets_their_value() -> None:
    """A bypassed node without a fitting input feeds nothing."""
    graph = a_graph(
        a_node(1, "Plain", ["from afar"], mode=4),
        a_node(2, "Checkpoint", ["a.safetensors"], mode=4),
        a_node(
            3,
            "Encode",
            ["stored"],
            {"text": (2, 0), "clip": (2, 1)},
            widgets=["text"],
            types={"text": "STRING", "clip": "CLIP"},
        ),
    )
    assert {"3": {"text": "stored"}} == inputs_of(graph)


def test_bypassed_nodes_chain() -> None:
    """Several in a row pass on what the last reads."""
    graph = a_graph(
        a_node(1, "Decode"),
        a_node(2, "Blend", [0.5], {"one": (1, 0)}, mode=4),
        a_node(3, "Blend", [0.5], {"one": (2, 0)}, mode=4),
        a_node(4, "SaveImage", ["x"], {"images": (3, 0)}, types={"images": "IMAGE"}),
    )
    assert {"filename_prefix": "x", "images": ["1", 0]} == inputs_of(graph)["4"]


def test_a_muted_source_cuts_even_behind_a_bypassed_node() -> None:
    """Nothing comes through a muted node."""
    graph = a_graph(
        a_node(1, "Decode", mode=2),
        a_node(2, "Blend", [0.5], {"one": (1, 0)}, mode=4),
        a_node(3, "SaveImage", ["x"], {"images": (2, 0)}, types={"images": "IMAGE"}),
    )
    assert {"3": {"filename_prefix": "x"}} == inputs_of(graph)


@pytest.mark.parametrize(("mode", "expected"), [(0, ["1", 0]), (4, ["1", 0]), (2, None)])
def test_reroutes_are_transparent_unless_muted(mode: int, expected: list[object] | None) -> None:
    """A chain of reroutes is as good as a link; a muted one cuts."""
    graph = a_graph(
        a_node(1, "Decode"),
        a_node(2, "Reroute", [], {"": (1, 0)}, outputs=["*"]),
        a_node(3, "Reroute", [], {"": (2, 0)}, outputs=["*"], mode=mode),
        a_node(4, "SaveImage", ["x"], {"images": (3, 0)}, types={"images": "IMAGE"}),
    )
    assert inputs_of(graph)["4"].get("images") == expected


def test_a_getter_reads_what_the_setter_of_its_name_takes() -> None:
    """Variables of the editor are resolved by name; without a setter nothing is connected."""
    graph = a_graph(
        a_node(1, "Decode"),
        a_node(2, "SetNode", ["picture"], {"IMAGE": (1, 0)}),
        a_node(3, "GetNode", ["picture"]),
        a_node(4, "GetNode", ["other"]),
        a_node(5, "SaveImage", ["x"], {"images": (3, 0)}),
        a_node(6, "SaveImage", ["y"], {"images": (4, 0)}),
        a_node(7, "SaveImage", ["z"], {"images": (2, 0)}),
    )
    assert {
        "1": {},
        "5": {"filename_prefix": "x", "images": ["1", 0]},
        "6": {"filename_prefix": "y"},
        "7": {"filename_prefix": "z", "images": ["1", 0]},
    } == inputs_of(graph)


def test_virtual_nodes_in_a_circle_are_an_error_that_names_them() -> None:
    """Reroutes that feed each other cannot be resolved."""
    graph = a_graph(
        a_node(1, "Reroute", [], {"": (2, 0)}),
        a_node(2, "Reroute", [], {"": (1, 0)}),
        a_node(3, "SaveImage", ["x"], {"images": (2, 0)}),
    )
    with pytest.raises(ImportFailed, match=r"the links of node 2 \(Reroute\) lead in a circle"):
        convert(graph)


def test_a_chain_of_many_reroutes_meets_no_limit() -> None:
    """Links are followed in a loop, not by recursion."""
    chain = [a_node(at, "Reroute", [], {"": (at - 1, 0)}) for at in range(2, 5000)]
    graph = a_graph(a_node(1, "Decode"), *chain, a_node(5000, "SaveImage", ["x"], {"images": (4999, 0)}))
    assert inputs_of(graph)["5000"]["images"] == ["1", 0]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("IMAGE", "image", True),
        ("*", "IMAGE", True),
        ("IMAGE", "", True),
        ("IMAGE,MASK", "MASK", True),
        ("IMAGE,MASK", "LATENT,mask", True),
        ("IMAGE", "MASK", False),
    ],
)
def test_types_fit_when_equal_or_any_or_in_common(one: str, other: str, expected: bool) -> None:
    """Types are compared regardless of case, as lists where they have commas."""
    assert _fits(one, other) is expected
