"""Node classes made of functions."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from comfypipe.engine import Image, Mask, NodeClass, Result, node
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.custom import installed_nodes, loaded_nodes, nodes_in, with_custom
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Context, Folders, InputSpec, OutputSpec
from comfypipe.errors import UsageError

MINE = '''
from comfypipe.engine import Image, node

@node("Darker")
def darker(image: Image, by: float = 0.5) -> Image:
    """Make it darker."""
    return image * (1 - by)
'''


@node("Tint", names=("picture", "where"), category="mine")
def tint(
    image: Image,
    amount: Annotated[float, {"min": 0.0, "max": 1.0}],
    mode: Literal["warm", "cold"] = "warm",
    mask: Mask | None = None,
    model: Annotated[Any, "MODEL"] = None,
    anything: Any = None,
) -> tuple[Image, Mask]:
    """Tint a picture."""
    return image * amount, np.ones(image.shape[:3], np.float32)


def test_parameters_are_inputs() -> None:
    """Types, ranges, choices and defaults follow from annotations; what has a default may be left out."""
    assert {
        "image": InputSpec("IMAGE"),
        "amount": InputSpec("FLOAT", {"min": 0.0, "max": 1.0}),
        "mode": InputSpec(("warm", "cold"), {"default": "warm"}, optional=True),
        "mask": InputSpec("MASK", optional=True),
        "model": InputSpec("MODEL", optional=True),
        "anything": InputSpec("*", optional=True),
    } == tint.inputs


def test_what_is_returned_are_outputs() -> None:
    """With their names; the docstring's first line says what it does."""
    assert (
        (OutputSpec("IMAGE", "picture"), OutputSpec("MASK", "where")),
        "Tint a picture.",
        "mine",
    ) == (tint.outputs, tint.description, tint.category)


def test_one_value_is_one_output() -> None:
    """A function that returns no tuple has one output, or none."""

    @node("One")
    def one(value: int) -> int:
        return value

    @node("List")
    def several(value: int) -> list[int]:
        return [value]

    @node("None", output_node=True)
    def none(value: int) -> None:
        pass

    assert [(7,), ([7],), ()] == [each.function(value=7) for each in (one, several, none)]
    assert [(OutputSpec("INT"),), (OutputSpec("INT", "", True),), ()] == [each.outputs for each in (one, several, none)]


def test_an_annotation_that_is_no_type_is_refused() -> None:
    """The parameter is named."""
    with pytest.raises(TypeError, match=r"Odd: value: .*bytes.* stands for no type of ComfyUI's"):

        @node("Odd")
        def odd(value: bytes) -> int:
            return len(value)


def test_the_engine_runs_it(tmp_path: Path) -> None:
    """A prompt with a class of one's own runs, and the context comes to those who ask."""

    @node("Say", output_node=True)
    def say(text: str, times: int = 2, *, context: Context) -> Result:
        return Result(ui={"text": [text * times + context.node_id]})

    registry = with_custom(core_registry(), [say])
    engine = Engine(Folders(tmp_path / "i", tmp_path / "o", tmp_path / "t"), registry)
    prompt = {"1": {"class_type": "Say", "inputs": {"text": "a"}}}
    assert {"1": {"text": ["aa1"]}} == engine.run(prompt, prompt_id="p").outputs


def test_what_is_not_asked_for_does_not_run(tmp_path: Path) -> None:
    """Of two lazy inputs only that runs which the node names; the other comes as it is left out."""
    ran: list[int] = []

    @node("Number")
    def number(value: int) -> int:
        ran.append(value)
        return value

    @node("Pick", output_node=True, lazy=lambda on, yes=None, no=None: ["yes" if on else "no"])
    def pick(
        on: bool, yes: Annotated[int | None, {"lazy": True}] = None, no: Annotated[int | None, {"lazy": True}] = None
    ) -> Result:
        return Result(ui={"text": [str((yes, no))]})

    prompt = {
        "1": {"class_type": "Number", "inputs": {"value": 1}},
        "2": {"class_type": "Number", "inputs": {"value": 2}},
        "3": {"class_type": "Pick", "inputs": {"on": False, "yes": ["1", 0], "no": ["2", 0]}},
    }
    engine = Engine(Folders(tmp_path, tmp_path, tmp_path), with_custom(core_registry(), [number, pick]))
    assert {"3": {"text": ["(None, 2)"]}} == engine.run(prompt, prompt_id="p").outputs
    assert [2] == ran


def test_a_name_is_taken_once() -> None:
    """What the engine has cannot be replaced unseen."""

    @node("SaveImage")
    def mine(value: int) -> int:
        return value

    with pytest.raises(UsageError, match="two node classes are called SaveImage"):
        with_custom(core_registry(), [mine])


def test_nodes_are_found_in_a_file(tmp_path: Path) -> None:
    """A file of the project, by its path."""
    (tmp_path / "mine.py").write_text(MINE)
    assert ["Darker"] == [each.class_type for each in loaded_nodes(["mine.py"], tmp_path)]


def test_nodes_are_found_through_entry_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package names its module."""
    (tmp_path / "mine_for_tests.py").write_text(MINE)
    info = tmp_path / "mine_for_tests-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine-for-tests\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[comfypipe.nodes]\nmine = mine_for_tests\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert "Darker" in [each.class_type for each in installed_nodes()]
    finally:
        sys.modules.pop("mine_for_tests", None)


@pytest.mark.parametrize(
    ("text", "said"), [("1 / 0", "cannot be loaded: ZeroDivisionError"), ("x = 1", "no node class")]
)
def test_what_has_no_nodes_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    """A file that fails, or holds none, is named."""
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(UsageError, match=f"bad.py .*{said}"):
        loaded_nodes(["bad.py"], tmp_path)


def test_a_sequence_of_nodes_will_do() -> None:
    """An entry point may name a class, or several."""
    assert ((tint,), (tint,)) == (nodes_in(tint, "x"), nodes_in([tint], "x"))
    assert isinstance(tint, NodeClass)
