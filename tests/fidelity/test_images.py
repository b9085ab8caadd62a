"""Prompts that a real ComfyUI ran, run by the engine: the same pictures, the same errors."""

import json
import re
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from comfypipe._types import JSONObject
from comfypipe.engine.events import RunFailed
from comfypipe.engine.executor import Engine
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.registry import Folders

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
CASES_FOLDER = Path(__file__).resolve().parents[3] / "shared/fidelity/cases"


def _cases(kind: str) -> list[str]:
    """Name the cases made of image nodes and primitives: ``pictures``, or ``errors`` while they run."""
    found = []
    for path in sorted(CASES_FOLDER.glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        classes = {node["class_type"] for node in case["prompt"].values()} if case["prompt"] else set()
        ran = "errors" if case.get("golden", {}).get("execution_error") else "pictures" if "outputs" in case else ""
        if ran == kind and classes & OURS and classes <= OURS | {"PrimitiveInt", "PrimitiveFloat"}:
            found.append(path.stem)
    return found


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Engine:
    """Return an engine whose input folder holds the files that cases load."""
    root = tmp_path_factory.mktemp("engine")
    folders = Folders(root / "input", root / "output", root / "temp")
    shutil.copytree(shared / "fidelity/inputs", folders.input)
    (folders.input / "cgset").mkdir()
    shutil.copy(folders.input / "cg_small.png", folders.input / "cgset/cg_one.png")
    folders.output.mkdir()
    shutil.copy(folders.input / "cg_photo2.png", folders.output / "cg_out.png")
    return Engine(folders)


def _run(engine: Engine, name: str) -> tuple[JSONObject, Outcome]:
    text = (CASES_FOLDER / f"{name}.json").read_text(encoding="utf-8").replace("{RUN}", name)
    case: JSONObject = json.loads(text)
    extra = case.get("extra_data", {}).get("extra_pnginfo", {})
    return case, engine.run(case["prompt"], prompt_id=name, extra_pnginfo=extra)


@pytest.mark.parametrize("name", _cases("pictures"))
def test_pictures_are_the_real_ones(name: str, engine: Engine) -> None:
    """Every sample of every saved picture, the file names and the texts are those of the real server."""
    case, outcome = _run(engine, name)
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


@pytest.mark.parametrize("name", _cases("errors"))
def test_errors_are_the_real_ones(name: str, engine: Engine) -> None:
    """The same node fails, with the same type of error and the same message."""
    case, outcome = _run(engine, name)
    expected = case["golden"]["execution_error"]
    assert isinstance(outcome.end, RunFailed)
    assert (expected["node_id"], expected["exception_type"]) == (outcome.end.node_id, outcome.end.exception_type)
    assert _without_paths(expected["message_norm"]) == _without_paths(outcome.end.message)


def _without_paths(message: str) -> str:
    return re.sub(r"/[^\s'\"]*/", "/.../", re.sub(r"(folder|path): \S+", r"\1: PATH", message))
