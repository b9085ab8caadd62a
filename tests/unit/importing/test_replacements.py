"""Patterns in the names of saved files."""

import pytest
from tests.unit.importing.builders import NOON, a_graph, a_node, a_scope, a_subgraph, inputs_of

from comfypipe.importing.replacements import format_date


def prefix(pattern: str, kind: str = "SaveImage") -> str:
    """Return what becomes of *pattern* as the name of a saved file, in a graph with a few nodes to name."""
    graph = a_graph(
        a_node(1, "Sample", [42, "fixed", 7, "dd/im"], properties={"Node name for S&R": "Sample"}),
        a_node(2, "Encode", ["a:b*c"], title="My Title", properties={"Node name for S&R": ""}),
        a_node(3, "Sample", [43, "fixed", 8, "x"], title="Second"),
        a_node(4, "PrimitiveNode", [5, "fixed"], title="Number"),
        a_node(5, "Blank", [None, 0.5]),
        a_node(7, "G", [12]),
        a_node(9, kind, [pattern]),
        subgraphs=[
            a_subgraph(
                "G", a_scope(a_node(1, "Plain", ["inner"], {"text": (-10, 0)}, widgets=["text"]), inputs=["text"])
            )
        ],
    )
    found: str = inputs_of(graph)["9"].popitem()[1]
    return found


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%date:yyyy-MM-dd%/%date:hhmmss%", "2026-01-02/030405"),
        ("%Sample.seed%_%Sample.sampler%", "42_dd_im"),
        ("%My Title.text%", "a_b_c"),
        ("%Number.value%", "5"),
        ("%Blank.width%|%Blank.height%", "|0.5"),
        ("%G.text%", "12"),
        ("%Nope.x%_%width%_%Sample.nowidget%_%%", "%Nope.x%_%width%_%Sample.nowidget%_%%"),
        ("%date:yyyy.MM.dd%", "2026"),
    ],
)
def test_patterns_are_filled_in(pattern: str, expected: str) -> None:
    """By the name for search and replace, else by title; the first of several; what names nothing stays."""
    assert expected == prefix(pattern)


def test_only_saving_nodes_are_filled_in() -> None:
    """Other texts keep their patterns."""
    assert prefix("%Sample.seed%", "Plain") == "%Sample.seed%"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("d", "2"), ("dd", "02"), ("M-MM", "1-01"), ("h:m:s", "3:4:5"), ("yy", "26"), ("yyy", "yyy"), ("x", "x")],
)
def test_dates_are_written_by_their_letters(pattern: str, expected: str) -> None:
    """Doubled letters pad; three letters of a year mean nothing."""
    assert expected == format_date(pattern, NOON)


def test_a_primitive_may_have_patterns_filled_in() -> None:
    """Where its author asked for it, a primitive's text is filled in before it is written."""
    graph = a_graph(
        a_node(1, "Blank", [64, 1]),
        a_node(2, "PrimitiveNode", ["%Blank.width%"], properties={"Run widget replace on values": True}),
        a_node(3, "Plain", ["x"], {"text": (2, 0)}, widgets=["text"]),
    )
    assert inputs_of(graph)["3"] == {"text": "64"}
