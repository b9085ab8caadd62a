"""What clients are told about nodes is what a real ComfyUI tells them."""

import json
from pathlib import Path
from typing import Any

import pytest

from comfypipe._types import JSONObject
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.registry import NodeClass, describe

WORDING = ("tooltip", "output_tooltips", "description")


@pytest.fixture(scope="module")
def recorded(shared: Path) -> JSONObject:
    """Return a real server's catalogue."""
    catalogue: JSONObject = json.loads((shared / "protocols/recorded/object_info.json").read_text(encoding="utf-8"))
    return catalogue


@pytest.mark.parametrize("node", core_registry().values(), ids=lambda node: node.class_type)
def test_class_is_described_as_recorded(node: NodeClass, recorded: JSONObject) -> None:
    """Inputs, ranges, defaults, order, outputs and flags are the real server's; only help texts are our own."""
    assert without_wording(recorded[node.class_type]) == without_wording(describe(node))


@pytest.mark.parametrize("node", core_registry().values(), ids=lambda node: node.class_type)
def test_options_are_written_where_recorded(node: NodeClass, recorded: JSONObject) -> None:
    """An input without options is `[type]` or `[type, {}]`, as the real server has it."""
    real, ours = (each["input"] for each in (recorded[node.class_type], describe(node)))
    given = [(group, name) for group in ("required", "optional") for name in real.get(group, {})]
    assert [len(real[group][name]) for group, name in given if not has_tooltip(real[group][name])] == [
        len(ours[group][name]) for group, name in given if not has_tooltip(real[group][name])
    ]


def has_tooltip(entry: list[Any]) -> bool:
    """Tell whether an input has a help text."""
    return len(entry) == 2 and "tooltip" in entry[1]


def without_wording(entry: Any) -> Any:
    """Drop help texts at every depth, and options that hold nothing else; they are written anew here."""
    if isinstance(entry, dict):
        return {key: without_wording(value) for key, value in entry.items() if key not in WORDING}
    if isinstance(entry, list):
        items = [without_wording(each) for each in entry]
        return items[:-1] if items[1:] == [{}] else items
    return entry
