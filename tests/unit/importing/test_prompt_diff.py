"""What differs between two prompts."""

from comfypipe._types import JSONObject
from comfypipe.importing.changes import diff_to_json, prompt_lines
from comfypipe.importing.prompt_diff import (
    ABSENT,
    InputChange,
    NodeChange,
    NodeName,
    PromptDiff,
    diff_prompts,
    match_nodes,
)


def a_node(kind: str, title: str | None = None, /, **inputs: object) -> JSONObject:
    """Return a node of a prompt."""
    return {"class_type": kind, "inputs": inputs, **({"_meta": {"title": title}} if title else {})}


BEFORE = {
    "1": a_node("Load", image="a.png"),
    "2": a_node("Text", "good", text="a cat"),
    "3": a_node("Text", "bad", text="ugly"),
    "4": a_node("Sample", image=["1", 0], positive=["2", 0], negative=["3", 0], seed=1),
    "5": a_node("Save", images=["4", 0]),
}


def test_equal_prompts_do_not_differ() -> None:
    """Nothing is found."""
    assert PromptDiff((), (), ()) == diff_prompts(BEFORE, BEFORE)
    assert not diff_prompts(BEFORE, BEFORE)


def test_other_numbers_alone_are_no_difference() -> None:
    """A save whose nodes moved into a subgraph has other ids and does the same."""
    renamed = {"1": "9", "2": "7:1", "3": "7:2", "4": "7:3", "5": "2"}
    after = {
        renamed[node_id]: {
            **node,
            "inputs": {
                name: [renamed[value[0]], 0] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            },
        }
        for node_id, node in BEFORE.items()
    }
    assert renamed == match_nodes(BEFORE, after)
    assert not diff_prompts(BEFORE, after)


def test_nodes_and_values_that_changed_are_named() -> None:
    """New nodes, nodes that are gone, and inputs with other values, links, or none."""
    after = {
        "1": a_node("Load", image="a.png"),
        "2": a_node("Text", "better", text="a dog"),
        "4": a_node("Sample", image=["6", 0], positive=["2", 0], seed=1, steps=True),
        "5": a_node("Save", images=["4", 0]),
        "6": a_node("Scale", image=["1", 0]),
    }
    expected = PromptDiff(
        added=(NodeName("6", "Scale", None),),
        removed=(NodeName("3", "Text", "bad"),),
        changed=(
            NodeChange(
                NodeName("2", "Text", "better"), NodeName("2", "Text", "good"), (InputChange("text", "a cat", "a dog"),)
            ),
            NodeChange(
                NodeName("4", "Sample", None),
                NodeName("4", "Sample", None),
                (
                    InputChange("image", ["1", 0], ["6", 0]),
                    InputChange("negative", ["3", 0], ABSENT),
                    InputChange("steps", ABSENT, True),
                ),
            ),
        ),
    )
    found = diff_prompts(BEFORE, after)
    assert expected == found
    assert [
        '- node 3 Text "bad"',
        "+ node 6 Scale",
        '~ node 2 Text "better"',
        '    title: "good" -> "better"',
        '    text: "a cat" -> "a dog"',
        "~ node 4 Sample",
        "    image: [1, 0] -> [6, 0]",
        "    negative: [3, 0] -> (none)",
        "    steps: (none) -> true",
    ] == list(prompt_lines(found))
    assert {"name": "steps", "after": True} == diff_to_json(found)["changed"][1]["inputs"][2]


def test_true_is_not_one() -> None:
    """JSON tells them apart."""
    assert diff_prompts({"1": a_node("A", x=1)}, {"1": a_node("A", x=True)})
    assert not diff_prompts({"1": a_node("A", x=1)}, {"1": a_node("A", x=1.0)})


def test_the_only_node_of_a_class_is_the_same_whatever_its_values() -> None:
    """So that a change of a value does not look like another node."""
    assert {"1": "8"} == match_nodes({"1": a_node("A", x=1)}, {"8": a_node("A", x=2)})


def test_a_number_that_now_belongs_to_another_class_is_another_node() -> None:
    """Ids are reused by editors."""
    before = {"1": a_node("A", x=1), "2": a_node("B", y=["1", 0])}
    after = {"2": a_node("A", x=1), "1": a_node("B", y=["2", 0])}
    assert {"1": "2", "2": "1"} == match_nodes(before, after)
    assert not diff_prompts(before, after)


def test_long_values_are_shortened_for_people() -> None:
    """A line stays a line."""
    lines = list(prompt_lines(diff_prompts({"1": a_node("A", x="a" * 500)}, {"1": a_node("A", x="b\nb")})))
    assert ["~ node 1 A", f'    x: "{"a" * 76}... -> "b\\nb"'] == lines
