"""Flows of manifests, as far as they need no server: name, parameters, entrypoint."""

import inspect
import shutil
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.exceptions import ParameterTypeError, SignatureMismatchError
from prefect.flows import load_flow_from_entrypoint

from comfypipe.errors import ManifestInvalid, ProjectNotFound, UsageError
from comfypipe.execution.records import Run
from comfypipe.orchestration import flow
from comfypipe.project import ProjectLayout

MANIFEST = """
apiVersion: comfypipe/v1
kind: Workflow
description: A portrait from a line of text.
workflow: workflows/portrait.json.j2
inputs:
  subject: {type: string, description: Who or what, max_length: 500}
  width: {type: integer, default: 1024, minimum: 64, maximum: 4096, multiple_of: 8}
  sampler: {type: choice, choices: [euler, dpmpp_2m], default: euler}
  seed: {type: seed}
  reference: {type: image, required: false, description: "Whom it looks like"}
presets:
  draft: {width: 512}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the root of a project with one manifest, whose template is not looked at."""
    (tmp_path / "pyproject.toml").write_text("[tool.comfypipe]\n")
    (tmp_path / "manifests").mkdir()
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows/portrait.json.j2").write_text("{}")
    (tmp_path / "manifests/portrait.yaml").write_text(MANIFEST)
    return tmp_path


def schema(made: Flow[Any, Any]) -> dict[str, Any]:
    """Return what Prefect's form is drawn from."""
    return made.parameters.model_dump()


def test_the_parameters_are_the_inputs(project: Path) -> None:
    """The form of the flow is the manifest: types, choices, ranges, defaults, descriptions, order, what is required."""
    assert {
        "title": "Parameters",
        "type": "object",
        "properties": {
            "subject": {
                "title": "subject",
                "type": "string",
                "maxLength": 500,
                "description": "Who or what",
                "position": 0,
            },
            "width": {
                "title": "width",
                "type": "integer",
                "minimum": 64,
                "maximum": 4096,
                "multipleOf": 8,
                "default": 1024,
                "position": 1,
            },
            "sampler": {
                "title": "sampler",
                "type": "string",
                "enum": ["euler", "dpmpp_2m"],
                "default": "euler",
                "position": 2,
            },
            "seed": {
                "title": "seed",
                "anyOf": [{"type": "integer", "minimum": 0, "maximum": 2**64 - 1}, {"type": "null"}],
                "default": None,
                "description": "Drawn when empty",
                "position": 3,
            },
            "reference": {
                "title": "reference",
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "default": None,
                "description": "Whom it looks like (path or URL)",
                "position": 4,
            },
        },
        "required": ["subject"],
        "definitions": {},
    } == schema(flow("portrait", project))


def test_the_flow_looks_written_by_hand(project: Path) -> None:
    """The flow is async, is called as the manifest is, and has its description and its signature."""
    made = flow("portrait", project)
    assert ("portrait", "A portrait from a line of text.", True) == (made.name, made.description, made.isasync)
    assert ["subject", "width", "sampler", "seed", "reference"] == list(inspect.signature(made).parameters)
    assert Run is inspect.signature(made).return_annotation


def test_the_version_is_the_manifests(project: Path) -> None:
    """The flow's version changes when the manifest does, and only then."""
    before = flow("portrait", project).version
    assert before == flow("portrait", project).version
    (project / "manifests/portrait.yaml").write_text(MANIFEST.replace("1024", "768"))
    assert before != flow("portrait", project).version


def test_a_preset_gives_the_defaults(project: Path) -> None:
    """With a preset, its values stand in the form."""
    assert 512 == schema(flow("portrait", project, preset="draft"))["properties"]["width"]["default"]


def test_values_are_cast_and_checked(project: Path) -> None:
    """Prefect casts and checks values as the manifest says, before there is a run."""
    made = flow("portrait", project)
    assert {"subject": "a", "width": 128, "sampler": "euler", "seed": None, "reference": None} == (
        made.validate_parameters({"subject": "a", "width": "128"})
    )
    for wrong in ({}, {"subject": "a", "width": 100}, {"subject": "a", "sampler": "x"}, {"subject": "a" * 501}):
        with pytest.raises(ParameterTypeError):
            made.validate_parameters(wrong)
    with pytest.raises(SignatureMismatchError):
        made.validate_parameters({"subject": "a", "hight": 1})


def test_a_project_is_found_by_layout_and_working_directory(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is given as its layout, its path, or not at all: then it is the one around the working directory."""
    monkeypatch.chdir(project / "workflows")
    found = [flow("portrait"), flow("portrait", str(project)), flow("portrait", ProjectLayout.find(project))]
    assert 1 == len({str(schema(made)) for made in found})


def test_an_entrypoint_needs_no_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment can name a manifest's flow by module path, with no Python file of the project's."""
    monkeypatch.chdir(project)
    made: Flow[Any, Any] = load_flow_from_entrypoint("comfypipe.orchestration.flows.portrait")
    assert schema(flow("portrait")) == schema(made)


def test_what_is_wrong_is_said_at_once(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A name, preset or project that is not there, and a manifest that is wrong, are errors when the flow is made."""
    with pytest.raises(UsageError, match="did you mean portrait"):
        flow("potrait", project)
    with pytest.raises(UsageError, match="did you mean draft"):
        flow("portrait", project, preset="drat")
    with pytest.raises(ProjectNotFound):
        flow("portrait", tmp_path_factory.mktemp("nowhere"))
    (project / "manifests/portrait.yaml").write_text(MANIFEST.replace("minimum", "minimal"))
    with pytest.raises(ManifestInvalid, match="minimal"):
        flow("portrait", project)


def test_every_manifest_of_this_repository_is_a_flow(root: Path, tmp_path: Path) -> None:
    """Each example can be made a flow of, workflow or pipeline, with its inputs in order."""
    for folder in ("manifests", "workflows"):
        shutil.copytree(root / folder, tmp_path / folder)
    (tmp_path / "pyproject.toml").write_text("[tool.comfypipe]\n")
    names = sorted(path.stem for path in (root / "manifests").glob("*.yaml"))
    assert {"product_card", "turntable"} <= set(names)
    for name in names:
        made: dict[str, Any] = schema(flow(name, tmp_path))
        assert list(range(len(made["properties"]))) == [each["position"] for each in made["properties"].values()]
