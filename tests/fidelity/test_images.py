"""Prompts that a real ComfyUI ran, run by the engine: the same pictures, the same errors."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.fidelity.recorded import CASES_FOLDER, case_names, run_case

from comfypipe.engine.events import RunFailed
from comfypipe.engine.executor import Engine

FAMILIES = (
    "batch",
    "blend",
    "colour",
    "composite",
    "filter",
    "geometry",
    "load",
    "mask",
    "preview",
    "save",
    "scale",
    "stitch",
)
OURS = {node.class_type for family in FAMILIES for node in import_module(f"comfypipe.engine.nodes.{family}").NODES}
PRIMITIVES = ("PrimitiveInt", "PrimitiveFloat")


@pytest.mark.parametrize("name", case_names("outputs", OURS, PRIMITIVES))
def test_pictures_are_the_real_ones(name: str, engine: Engine) -> None:
    """Every sample of every saved picture, the file names and the texts are those of the real server."""
    case, outcome = run_case(engine, name)
    assert outcome.succeeded, outcome.end
    shown = [(node, entry) for node, ui in sorted(outcome.outputs.items()) for entry in next(iter(ui.values()))]
    pictures = [(node, entry) for node, entry in shown if isinstance(entry, dict)]
    assert [value for _, _, _, value in case["values"]] == [entry for _, entry in shown if not isinstance(entry, dict)]
    assert [(each["node"], each["filename"], each["type"]) for each in case["outputs"]] == [
        (node, re.sub(r"_temp_[a-z]{5}_\d+_", "_temp_XXXXX_NNNNN_", entry["filename"]), entry["type"])
        for node, entry in pictures
    ]
    for golden, (_, entry) in zip(case["outputs"], pictures, strict=True):
        path = getattr(engine.folders, entry["type"]) / entry["subfolder"] / entry["filename"]
        expected, _ = _picture(CASES_FOLDER / golden["file"])
        found, texts = _picture(path)
        assert golden["meta_keys"] == texts
        assert expected.shape == found.shape
        assert np.abs(expected - found).max() == 0, f"{np.count_nonzero(expected - found)} samples differ"


def _picture(path: Path) -> tuple[NDArray[np.int32], list[str]]:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int32), sorted(map(str, image.info))


@pytest.mark.parametrize("name", case_names("errors", OURS, PRIMITIVES))
def test_errors_are_the_real_ones(name: str, engine: Engine) -> None:
    """The same node fails, with the same type of error and the same message."""
    case, outcome = run_case(engine, name)
    expected = case["golden"]["execution_error"]
    assert isinstance(outcome.end, RunFailed)
    assert (expected["node_id"], expected["exception_type"]) == (outcome.end.node_id, outcome.end.exception_type)
    assert _without_paths(expected["message_norm"]) == _without_paths(outcome.end.message)


def _without_paths(message: str) -> str:
    return re.sub(r"/[^\s'\"]*/", "/.../", re.sub(r"(folder|path): \S+", r"\1: PATH", message))
