"""Real workflows against the prompts that ComfyUI's own frontend makes of them."""

import importlib.util
import json
from datetime import datetime
from pathlib import Path
from types import ModuleType

import pytest

from comfypipe._types import JSONObject
from comfypipe.importing.convert import to_prompt
from comfypipe.importing.imports import import_workflow
from comfypipe.importing.manifest import Form
from comfypipe.importing.ui_graph import parse_ui_graph
from comfypipe.manifest.load import load_manifest
from comfypipe.plan.build import Planner, jobs
from comfypipe.plan.library import Library
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

THEN = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  the references' clock was local
LEAST = 0.99


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    """Return the folder of pairs."""
    return shared / "ui2api"


@pytest.fixture(scope="module")
def compare(folder: Path) -> ModuleType:
    """Return the module that scores equality."""
    spec = importlib.util.spec_from_file_location("compare", folder / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_clean(entry: JSONObject) -> bool:
    """Tell whether the reference of *entry* is known to be right and repeatable."""
    return not (entry.get("suspect") or entry.get("suspect_fe1581") or entry.get("unstable"))


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("form", ["bind", "template"])
def test_every_workflow_renders_to_the_prompt_that_it_was_made_of(
    folder: Path, tmp_path: Path, form: Form, everything: bool
) -> None:
    """Bound or as a template, with the manifest's defaults; and no manifest has anything wrong with it."""
    info = ObjectInfo(json.loads((folder / "object_info.json").read_text()))
    (tmp_path / "pyproject.toml").write_text("[tool.comfypipe]\n")
    layout = ProjectLayout.find(tmp_path)
    different: list[str] = []
    for path in sorted(folder.glob("*/*.ui.json")):
        if path.name == "empty_graph.ui.json":
            continue
        made = import_workflow(path, layout, object_info=info, name="x", form=form, everything=everything, force=True)
        manifest = load_manifest(made.manifest, "x.yaml")
        plan = Planner(Library({"x": manifest}, {}), layout).plan("x", {})
        if manifest.warnings or jobs(plan, plan.steps[0], {}, layout)[0].prompt != made.draft.prompt:
            different.append(path.name)
    assert [] == different


def test_conversions_equal_those_of_the_frontend(folder: Path, compare: ModuleType) -> None:
    """At least 99 of 100 clean pairs are equal in all that a server reads, against frontend 1.58.1."""
    raw = json.loads((folder / "object_info.json").read_text())
    clean = [each for each in json.loads((folder / "index.json").read_text())["workflows"] if is_clean(each)]
    different: dict[str, object] = {}
    for entry in clean:
        path = folder / entry["corpus"] / entry["name"]
        graph = parse_ui_graph(json.loads(path.with_name(f"{path.name}.ui.json").read_text()))
        wanted = json.loads(path.with_name(f"{path.name}.api-fe1.58.1.json").read_text())
        got = to_prompt(graph, ObjectInfo(raw), choose=lambda _: 0, now=THEN).prompt
        result = compare.compare(got, wanted, raw)
        if not result["runtime"]:
            different[entry["name"]] = result["diffs"]
    assert len(clean) > 200
    assert len(different) <= (1 - LEAST) * len(clean), different
