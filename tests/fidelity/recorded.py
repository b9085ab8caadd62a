"""Prompts that a real ComfyUI ran, and running them on the engine."""

import json
import shutil
from collections.abc import Collection
from functools import cache
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.engine.executor import Engine
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.registry import Folders

CASES_FOLDER = Path(__file__).resolve().parents[3] / "shared/fidelity/cases"
"""Beside the checkout, or not there: then there are no cases."""


def case_names(kind: str, ours: Collection[str], others: Collection[str]) -> list[str]:
    """
    Name the cases made of classes in *ours* and *others*, at least one of *ours* among them.

    Args:
        kind: ``outputs`` for those that end well, ``errors`` for those that fail while they run.
    """
    found = []
    for name, (ending, classes) in _cases().items():
        if ending == kind and classes & set(ours) and classes <= {*ours, *others}:
            found.append(name)
    return found


@cache
def _cases() -> dict[str, tuple[str, frozenset[str]]]:
    found = {}
    for path in sorted(CASES_FOLDER.glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        ending = "errors" if case.get("golden", {}).get("execution_error") else "outputs" if "outputs" in case else ""
        found[path.stem] = ending, frozenset(node["class_type"] for node in case["prompt"].values() if ending)
    return found


def make_engine(root: Path, inputs: Path) -> Engine:
    """Return an engine below *root* whose folders hold the files that cases load, as the scorer uploads them."""
    folders = Folders(root / "input", root / "output", root / "temp")
    shutil.copytree(inputs, folders.input)
    (folders.input / "cgset").mkdir()
    shutil.copy(folders.input / "cg_small.png", folders.input / "cgset/cg_one.png")
    folders.output.mkdir()
    shutil.copy(folders.input / "cg_photo2.png", folders.output / "cg_out.png")
    return Engine(folders)


def run_case(engine: Engine, name: str) -> tuple[JSONObject, Outcome]:
    """Return a case, with its name for the name of its run, and how it ended on the engine."""
    text = (CASES_FOLDER / f"{name}.json").read_text(encoding="utf-8").replace("{RUN}", name)
    case: JSONObject = json.loads(text)
    extra = case.get("extra_data", {}).get("extra_pnginfo", {})
    return case, engine.run(case["prompt"], prompt_id=name, extra_pnginfo=extra)
