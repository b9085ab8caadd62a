from typing import Any

import pytest
from tests.unit.prompt.builders import good_prompt, node_class, offered, prompt

from comfypipe._types import JSON, JSONObject
from comfypipe.diagnostics import Source
from comfypipe.errors import PromptInvalid
from comfypipe.prompt.graph import Node, PromptGraph
from comfypipe.prompt.object_info import NodeInfo
from comfypipe.prompt.validate import validate


def one_error(graph: PromptGraph) -> tuple[str, str, str, JSONObject]:
    """Return what is said of a prompt in which one thing is wrong."""
    found = validate(graph, offered()).errors
    assert 1 == len(found)
    return found[0].node_id, found[0].type, found[0].details, found[0].extra_info


def test_good_prompt() -> None:
    """A prompt that fits has no errors, and its output node can run."""
    validation = validate(good_prompt(), offered())
    assert ((), ("3",), None, {}) == (
        validation.errors,
        validation.outputs,
        validation.error,
        validation.node_errors(),
    )
    validation.raise_if_invalid()


def test_missing_input_in_comfyui_shape() -> None:
    """The whole reply for a missing input is ComfyUI's."""
    validation = validate(good_prompt(by=None), offered())
    assert {
        "2": {
            "errors": [
                {
                    "type": "required_input_missing",
                    "message": "Required input is missing",
                    "details": "by",
                    "extra_info": {"input_name": "by"},
                }
            ],
            "dependent_outputs": ["3"],
            "class_type": "Scale",
        }
    } == validation.node_errors()
    assert {
        "type": "prompt_outputs_failed_validation",
        "message": "Prompt outputs failed validation",
        "details": "",
        "extra_info": {},
    } == validation.error


@pytest.mark.parametrize(
    ("changed", "kind", "details"),
    [
        ({"by": 0.1}, "value_smaller_than_min", "by"),
        ({"by": 9}, "value_bigger_than_max", "by"),
        ({"by": "often"}, "invalid_input_type", "by, often, could not convert string to float: 'often'"),
        ({"by": {}}, "invalid_input_type", None),
        ({"by": 10**400}, "invalid_input_type", None),
        ({"method": "nearest"}, "value_not_in_list", "method: 'nearest' not in ['near', 'far']"),
        ({"image": ["1", 1]}, "return_type_mismatch", "image, received_type(MASK) mismatch input_type(IMAGE)"),
        ({"image": ["1"]}, "bad_linked_input", "image"),
        ({"image": ["1", 0, 0]}, "bad_linked_input", "image"),
        ({"image": ["77", 0]}, "exception_during_inner_validation", "'77'"),
        ({"image": [1, 0]}, "exception_during_inner_validation", "1"),
        ({"image": ["1", 2]}, "exception_during_inner_validation", "tuple index out of range"),
        (
            {"image": ["1", "0"]},
            "exception_during_inner_validation",
            "tuple indices must be integers or slices, not str",
        ),
        ({"image": [["1"], 0]}, "exception_during_inner_validation", "unhashable type: 'list'"),
    ],
)
def test_node_errors(changed: dict[str, JSON], kind: str, details: str | None) -> None:
    """Each thing that can be wrong with an input has ComfyUI's type and details."""
    node_id, found_kind, found_details, _ = one_error(good_prompt(**changed))
    assert ("2", kind) == (node_id, found_kind)
    if details is not None:
        assert details == found_details


@pytest.mark.parametrize(
    ("width", "fits"),
    [
        *[("8", True), (8.9, True), (True, True), ({"__value__": 8}, True), (" 8 ", True), (64, True)],
        *[(None, False), ("8.0", False), (float("nan"), False), ({"value": 8}, False), (65, False), ("0", False)],
    ],
)
def test_integers_are_converted(width: JSON, fits: bool) -> None:
    """An INT takes what Python's int() takes; its range is compared with the converted number."""
    graph = prompt(n1=("Make", {"width": width}), n2=("Save", {"images": ["1", 0], "prefix": ""}))
    assert fits is not bool(validate(graph, offered()).errors)


def test_strings_and_booleans_take_anything() -> None:
    """A STRING and a BOOLEAN convert every literal, a null among them."""
    make = ("Make", {"width": 8, "label": None, "flag": "false"})
    graph = prompt(n1=make, n2=("Save", {"images": ["1", 0], "prefix": 7}))
    assert () == validate(graph, offered()).errors


def test_ranges_bind_literals_only() -> None:
    """A linked number is not compared with the range."""
    numbers = offered(Big=node_class(output=("FLOAT",)))
    graph = prompt(
        n0=("Big", {}),
        n1=("Make", {"width": 8}),
        n2=("Scale", {"image": ["1", 0], "method": "near", "by": ["0", 0]}),
        n3=("Save", {"images": ["2", 0], "prefix": ""}),
    )
    assert () == validate(graph, numbers).errors


def test_v3_combos_are_not_checked() -> None:
    """A combo in V3 form takes any value, as on a server."""
    graph = prompt(
        n1=("Make", {"width": 8}),
        n2=("Mode", {"image": ["1", 0], "mode": "bogus"}),
        n3=("Save", {"images": ["2", 0], "prefix": ""}),
    )
    assert () == validate(graph, offered()).errors


def test_uploadable_files_are_not_checked_against_the_list() -> None:
    """A file that is to be uploaded need not stand in the server's list yet."""
    graph = prompt(n1=("Load", {"image": "new.png"}), n2=("Save", {"images": ["1", 0], "prefix": ""}))
    assert () == validate(graph, offered()).errors


@pytest.mark.parametrize(
    ("output", "taken", "fits"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "MASK", False),
        ("INT", "INT,FLOAT", True),
        ("FLOAT, STRING", "INT,FLOAT", True),
        ("STRING", "INT,FLOAT", False),
        ("*", "IMAGE", True),
        ("IMAGE", "*", True),
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        ("COMBO", ["a"], False),
        ("STRING", ["a"], False),
    ],
)
def test_types_of_links(output: JSON, taken: JSON, fits: bool) -> None:
    """Equal types, wildcards and unions with something in common fit; a combo takes only the very same list."""
    info = offered(Give=node_class(output=(output,)), Take=node_class({"value": [taken]}, output_node=True))
    graph = prompt(n1=("Give", {}), n2=("Take", {"value": ["1", 0]}))
    assert fits is not bool(validate(graph, info).errors)


def test_exceptions_at_an_output_node() -> None:
    """A dangling link at an output node itself is named so, and makes up the top-level details."""
    graph = prompt(n1=("Save", {"images": ["77", 0], "prefix": ""}))
    validation = validate(graph, offered())
    assert "exception_during_validation" == validation.errors[0].type
    assert validation.error is not None
    assert "Exception when validating node: '77'" == validation.error["details"]


def test_node_without_inputs() -> None:
    """A node without ``inputs`` is refused, with ComfyUI's words."""
    graph = PromptGraph.parse(
        {"1": {"class_type": "Make"}, "2": {"class_type": "Save", "inputs": {"images": ["1", 0], "prefix": ""}}}
    )
    assert ("1", "exception_during_inner_validation", "'inputs'") == one_error(graph)[:3]


def test_missing_classes() -> None:
    """A missing class is the top-level error; all missing ones are among the errors, each with the closest name."""
    graph = prompt(n1=("Maek", {}), n2=("Nothing", {"image": ["1", 0]}))
    validation = validate(graph, offered())
    assert {
        "type": "invalid_prompt",
        "message": "Cannot execute because node Maek does not exist.",
        "details": "Node ID '#1'",
        "extra_info": {},
    } == validation.error
    assert ((), {}) == (validation.outputs, validation.node_errors())
    assert [("1", "did you mean Make?"), ("2", "install the custom node that has it, or run it where it is")] == [
        (each.node_id, each.hint) for each in validation.errors
    ]


def test_unknown_classes_can_be_skipped() -> None:
    """Skipped classes are named as unchecked; what they read is still checked."""
    graph = prompt(
        n1=("Make", {"width": 999}),
        n2=("Custom", {"image": ["1", 0], "size": 3}),
        n3=("Save", {"images": ["2", 0], "prefix": ""}),
        n4=("OwnSave", {"image": ["2", 7]}),
    )
    validation = validate(graph, offered(), unknown="skip")
    assert (("Custom", "OwnSave"), ["value_bigger_than_max"], ()) == (
        validation.unchecked,
        [each.type for each in validation.errors],
        validation.outputs,
    )


def test_dangling_link_of_a_skipped_class() -> None:
    """A link that leads nowhere is found whatever the class."""
    validation = validate(prompt(n1=("Custom", {"image": ["9", 0]})), offered(), unknown="skip")
    assert ["exception_during_validation"] == [each.type for each in validation.errors]


def test_no_outputs() -> None:
    """A prompt that saves nothing is refused, an empty one too."""
    for graph in (prompt(), prompt(n1=("Make", {"width": 8}))):
        validation = validate(graph, offered())
        assert validation.error is not None
        assert "prompt_no_outputs" == validation.error["type"]
        with pytest.raises(PromptInvalid, match="no outputs"):
            validation.raise_if_invalid()


def test_outputs_can_be_chosen() -> None:
    """Only the outputs asked for are looked at."""
    graph = prompt(
        n1=("Make", {"width": 8}),
        n2=("Save", {"images": ["1", 0], "prefix": ""}),
        n3=("Save", {"images": ["9", 0], "prefix": ""}),
    )
    validation = validate(graph, offered(), outputs=["2"])
    assert (("2",), ()) == (validation.outputs, validation.errors)


def test_one_good_output_and_one_bad() -> None:
    """The good output is named beside the errors of the other; the prompt is invalid all the same."""
    graph = prompt(
        n1=("Make", {"width": 8}),
        n2=("Save", {"images": ["1", 0], "prefix": ""}),
        n3=("Make", {"width": 0}),
        n4=("Save", {"images": ["3", 0], "prefix": ""}),
    )
    validation = validate(graph, offered())
    assert (("2",), None) == (validation.outputs, validation.error)
    assert ["4"] == validation.node_errors()["3"]["dependent_outputs"]
    with pytest.raises(PromptInvalid) as raised:
        validation.raise_if_invalid()
    assert "prompt_outputs_failed_validation" == raised.value.error["type"]


def test_cycle() -> None:
    """Every node of a cycle is named, with the way round it; what reads the cycle is not to blame."""
    graph = prompt(
        n1=("Scale", {"image": ["2", 0], "method": "near", "by": 1}),
        n2=("Scale", {"image": ["1", 0], "method": "near", "by": 1}),
        n3=("Save", {"images": ["1", 0], "prefix": ""}),
    )
    validation = validate(graph, offered())
    assert [
        ("1", "dependency_cycle", "1 (Scale) -> 2 (Scale) -> 1 (Scale)"),
        ("2", "dependency_cycle", "1 (Scale) -> 2 (Scale) -> 1 (Scale)"),
    ] == [(each.node_id, each.type, each.details) for each in validation.errors]
    assert ["3"] == validation.node_errors()["2"]["dependent_outputs"]


def test_long_chains() -> None:
    """A chain of 1,500 nodes validates, and so does a cycle of as many get named."""
    nodes: dict[str, tuple[str, JSONObject]] = {"n0": ("Make", {"width": 8})}
    for index in range(1, 1500):
        nodes[f"n{index}"] = ("Scale", {"image": [str(index - 1), 0], "method": "near", "by": 1.0})
    nodes["n1500"] = ("Save", {"images": ["1499", 0], "prefix": ""})
    assert ("1500",) == validate(prompt(**nodes), offered()).outputs
    nodes["n0"] = ("Scale", {"image": ["1499", 0], "method": "near", "by": 1.0})
    assert 1500 == len(validate(prompt(**nodes), offered()).errors)


def test_own_checks_of_classes() -> None:
    """A class's own check runs where nothing else is wrong, and is reported as ComfyUI does."""
    asked: list[str] = []

    def check(node: Node, info: NodeInfo) -> str | None:
        asked.append(node.id)
        return "image - Invalid image file: new.png" if info.class_type == "Load" else None

    graph = prompt(n1=("Load", {"image": "new.png"}), n2=("Save", {"images": ["1", 0]}))
    validation = validate(graph, offered(), custom=check)
    assert ["1"] == asked
    assert {
        "type": "custom_validation_failed",
        "message": "Custom validation failed for node",
        "details": "image - Invalid image file: new.png",
        "extra_info": {"input_name": "image"},
    } == validation.errors[0].to_json()


def test_long_lists_are_not_repeated() -> None:
    """A list of more than twenty choices is named by its length, as a server does."""
    many = [f"model{index}.safetensors" for index in range(21)]
    info = offered(Pick=node_class({"name": [many]}, output_node=True))
    error = validate(prompt(n1=("Pick", {"name": "model30.safetensors"})), info).errors[0]
    assert "name: 'model30.safetensors' not in (list of length 21)" == error.details
    assert error.extra_info["input_config"] is None
    assert error.hint is not None
    assert error.hint.startswith("did you mean model")


def test_diagnostics_have_places() -> None:
    """Findings become diagnostics whose place is that of the input."""

    def locate(node_id: str, input_name: str | None) -> Source | None:
        return Source("workflows/a.json", int(node_id), 1 if input_name is None else 9)

    with pytest.raises(PromptInvalid) as raised:
        validate(good_prompt(by=5, method="fat"), offered()).raise_if_invalid(locate)
    not_in_list = "node 2 (Scale): Value not in list: method: 'fat' not in ['near', 'far']"
    too_big = "node 2 (Scale): Value 5.0 bigger than max of 2.0: by"
    assert [
        f"workflows/a.json:2:9 value-not-in-list: {not_in_list}\n  hint: did you mean far?",
        f"workflows/a.json:2:9 value-bigger-than-max: {too_big}",
    ] == [str(each) for each in raised.value.diagnostics]
    assert f"{not_in_list} (and 1 more)" == raised.value.message
    assert Source("workflows/a.json", 2, 9) == raised.value.source


def test_incomparable_range() -> None:
    """A range on a value that has no order is the exception that ComfyUI runs into."""
    info = offered(Odd=node_class({"value": ["CAMERA", {"min": 0}]}, output_node=True))
    error = validate(prompt(n1=("Odd", {"value": {"x": 1}})), info).errors[0]
    assert ("exception_during_validation", "TypeError") == (error.type, error.extra_info["exception_type"])


def test_shared_nodes_are_looked_at_once() -> None:
    """A node that many read is checked once: the work stays linear in wide prompts."""
    asked: list[str] = []

    def check(node: Node, _info: NodeInfo) -> str | None:
        asked.append(node.id)
        return None

    nodes: dict[str, Any] = {"n0": ("Make", {"width": 8})}
    for index in range(1, 30):  # each reads the one before twice: 2^29 ways
        inputs = {"image": [str(index - 1), 0], "method": "near", "by": 1.0, "mask": ["0", 1]}
        nodes[f"n{index}"] = ("Scale", inputs)
    nodes["n30"] = ("Save", {"images": ["29", 0], "prefix": ""})
    validate(prompt(**nodes), offered(), custom=check)
    assert 31 == len(asked)
