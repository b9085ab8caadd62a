"""Node classes: how they are found and described."""

from pathlib import Path

import pytest

from comfypipe._types import JSONObject
from comfypipe.engine.registry import (
    Folders,
    InputSpec,
    NodeClass,
    OutputSpec,
    Registry,
    combo,
    describe,
    files,
    integer,
    number,
    optional,
    outputs,
    required,
)


def declared(**options: object) -> NodeClass:
    """Return a class with one input of each kind."""
    inputs = {
        "image": required("IMAGE"),
        "mode": combo("a", "b", default="b"),
        "count": integer(1, 0, 9, step=1),
        "amount": optional("FLOAT", default=0.5),
    }
    return NodeClass("Mine", lambda: (), inputs, outputs("IMAGE", "MASK", names=("picture", "hole")), **options)  # type: ignore[arg-type]


def test_class_is_found_by_its_type() -> None:
    """A registry is a mapping that keeps the declared order."""
    registry = Registry([declared()])
    assert (["Mine"], 1, True, False) == (list(registry), len(registry), "Mine" in registry, "Other" in registry)


def test_class_declared_twice_is_an_error() -> None:
    """And it is named."""
    with pytest.raises(ValueError, match="Mine"):
        Registry([declared(), declared()])


def test_description_in_v1_form() -> None:
    """Choices stand in place of the type; groups and order as ComfyUI has them."""
    entry = describe(declared(category="mine", output_node=True))
    expected: JSONObject = {
        "required": {
            "image": ["IMAGE"],
            "mode": [["a", "b"], {"default": "b"}],
            "count": ["INT", {"default": 1, "min": 0, "max": 9, "step": 1}],
        },
        "optional": {"amount": ["FLOAT", {"default": 0.5}]},
    }
    assert expected == entry["input"]
    assert {"required": ["image", "mode", "count"], "optional": ["amount"]} == entry["input_order"]
    assert (["IMAGE", "MASK"], ["picture", "hole"], [False, False], True, "mine") == (
        entry["output"],
        entry["output_name"],
        entry["output_is_list"],
        entry["output_node"],
        entry["category"],
    )


def test_description_in_v3_form() -> None:
    """Choices are an option of the type COMBO; options are always there."""
    entry = describe(declared(schema="v3"))
    assert ["COMBO", {"default": "b", "multiselect": False, "options": ["a", "b"]}] == entry["input"]["required"][
        "mode"
    ]
    assert ["IMAGE", {}] == entry["input"]["required"]["image"]
    assert [None, None] == entry["output_tooltips"]


def test_files_are_listed_when_asked(tmp_path: Path) -> None:
    """Those of the folder, with the right suffix, sorted; none where there is no folder."""
    folders = Folders(tmp_path / "input", tmp_path, tmp_path)
    node = NodeClass("Load", lambda: (), {"file": files("", ".png", image_upload=True)}, ())
    assert [[], {"image_upload": True}] == describe(node, folders)["input"]["required"]["file"]
    folders.input.mkdir()
    for name in ("b.PNG", "a.png", "c.txt", "d.png/e.png"):
        (folders.input / name).parent.mkdir(exist_ok=True)
        (folders.input / name).touch()
    assert [["a.png", "b.PNG"], {"image_upload": True}] == describe(node, folders)["input"]["required"]["file"]


def test_short_declarations() -> None:
    """They leave out what is not said."""
    assert InputSpec("INT", {}) == integer(None)
    assert InputSpec("FLOAT", {"default": 0.0, "min": 0.0}) == number(0.0, 0.0)
    assert (OutputSpec("IMAGE", is_list=True),) == outputs("IMAGE", is_list=True)
