"""Where to get what a server lacks."""

import pytest

from comfypipe.manifest.schema import CustomNodeSpec, ModelSpec, WorkflowSpec
from comfypipe.plan.requirements import with_sources
from comfypipe.prompt.validation import MISSING_CLASS, NodeError

SPEC = WorkflowSpec(
    api_version="comfypipe/v1",
    name="w",
    workflow="workflows/w.json",
    models=(
        ModelSpec(path="models/loras/x/y.safetensors", url="https://models.test/y", size_bytes=6_900_000_000),
        ModelSpec(path="models/vae/plain.pt"),
    ),
    custom_nodes=(
        CustomNodeSpec(id="impact-pack", version=">=8", url="https://nodes.test/impact"),
        CustomNodeSpec(id="other"),
    ),
)
FROM = (
    "the server has no models/loras/x/y.safetensors, which the manifest declares: put it there, "
    "from https://models.test/y (6.9 GB)"
)
PACKAGES = (
    "the manifest declares custom nodes, to be installed on the server: "
    "impact-pack >=8 from https://nodes.test/impact, other"
)


def not_offered(value: object, hint: str | None = None) -> NodeError:
    """Return what validation says of a value that a combo does not offer."""
    return NodeError("1", "L", "value_not_in_list", "Value not in list", "", {"received_value": value}, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (
            "x/y.safetensors",
            FROM,
        ),
        (
            "x\\y.safetensors",
            FROM,
        ),
        ("plain.pt", "the server has no models/vae/plain.pt, which the manifest declares: put it there"),
        ("y.safetensors", "as it was"),
        (3, "as it was"),
    ],
)
def test_declared_models_are_named_with_their_place_and_source(value: object, hint: str) -> None:
    """By the name that the node was given; what is not declared keeps its hint."""
    assert hint == with_sources(not_offered(value, "as it was"), SPEC).hint


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("install the custom node that has it", PACKAGES),
        (None, PACKAGES),
        ("did you mean Blur?", f"did you mean Blur?; or {PACKAGES}"),
    ],
)
def test_missing_class_names_the_declared_packages(hint: str | None, expected: str) -> None:
    """A slip of the pen stays the first guess."""
    missing = NodeError("1", "Blurr", MISSING_CLASS, "", "", {}, hint)
    assert expected == with_sources(missing, SPEC).hint


def test_nothing_declared_changes_nothing() -> None:
    """Without models and custom nodes, errors stay as they are."""
    bare = WorkflowSpec(api_version="comfypipe/v1", name="w", workflow="workflows/w.json")
    for error in (NodeError("1", "X", MISSING_CLASS, "", "", {}, "h"), not_offered("plain.pt", "h")):
        assert error == with_sources(error, bare)
