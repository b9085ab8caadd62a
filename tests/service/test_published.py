"""Workflows of a project, published: runs with inputs, checked by the manifest; and prompts checked by the backend."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.service.client import Client, served
from tests.service.materials import copy_prompt, picture_prompt, png

from comfypipe.project import ProjectLayout
from comfypipe.service.settings import ServiceSettings

FILES = {
    "pyproject.toml": "[tool.comfypipe]\n",
    "workflows/tint.json.j2": """
        {"1": {"class_type": "LoadImage", "inputs": {"image": {{ photo }} } },
         "2": {"class_type": "ImageScaleBy", "inputs": {
            "image": ["1", 0], "upscale_method": "nearest-exact", "scale_by": {{ scale }} } },
         "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "tint-{{ seed }}"} } }""",
    "manifests/tint.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/tint.json.j2
        description: A photo, larger.
        inputs:
          photo: {type: image}
          scale: {type: number, default: 2, minimum: 1, maximum: 4}
          seed: {type: seed}
        outputs: {image: {type: image, node: "3"}}
        tags: [demo]
        """,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project."""
    root = tmp_path_factory.mktemp("project")
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    (root / "secret.png").write_bytes(png())
    return root


@pytest.fixture(scope="module")
def project(root: Path) -> Iterator[Client]:
    """Talk to a service that publishes the project."""
    settings = ServiceSettings(root / "data", project=ProjectLayout.find(root), authenticate=False)
    with served(settings) as client:
        yield client


def upload(client: Client) -> str:
    """Return the URL of a picture that the service has."""
    url: str = client.http.put("/files/photo.png", content=png(size=(10, 8))).json()["url"]
    return url


def test_a_published_workflow_runs_with_inputs(project: Client) -> None:
    """Inputs in place of a prompt: defaults are filled in, the output has the size that they say."""
    run = project.run({"inputs": {"photo": upload(project), "scale": 3}}, "tint")
    assert "COMPLETED" == run["status"], run["error"]
    assert ["image"] == [each["name"] for each in run["output"]]
    content = httpx.get(run["output"][0]["url"], trust_env=False).content
    assert (30, 24) == (int.from_bytes(content[16:20]), int.from_bytes(content[20:24]))


def test_a_published_workflow_is_listed_with_its_inputs(project: Client) -> None:
    """The list has it in ComfyICU's shape; extended, its inputs and outputs."""
    found = next(each for each in project.http.get("/workflows").json() if each["id"] == "tint")
    assert ("A photo, larger.", ["demo"]) == (found["description"], found["tags"])
    declared = project.http.get("/workflows/tint", params={"extended": 1}).json()["comfypipe"]
    assert ({"photo", "scale", "seed"}, {"image"}) == (set(declared["inputs"]), set(declared["outputs"]))


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"photo": "secret.png"},
        {"photo": "@secret.png"},
        {"photo": "/etc/passwd"},
        {"photo": "file:///etc/passwd"},
        {"photo": 7},
        {"photo": ["https://example.com/a.png"]},
        {"photo": "https://example.com/a.png", "scale": 9},
        {"photo": "https://example.com/a.png", "scale": "big"},
        {"photo": "https://example.com/a.png", "colour": 1},
    ],
)
def test_inputs_that_do_not_fit_are_422_with_diagnostics(project: Client, inputs: Any) -> None:
    """What the manifest does not allow, and every path of the service's own disk, is refused; nothing is stored."""
    before = len(project.http.get("/workflows/tint/runs").json())
    reply = project.post({"inputs": inputs}, "tint")
    assert (422, "invalid-inputs") == (reply.status_code, reply.json()["error"])
    assert reply.json()["diagnostics"][0]["message"]
    assert before == len(project.http.get("/workflows/tint/runs").json())


def test_every_input_that_does_not_fit_has_a_diagnostic(project: Client) -> None:
    """Each wrong input is told by itself, with its name, so that a form can show it where it belongs."""
    reply = project.post({"inputs": {"scale": 9, "shade": 1}}, "tint").json()
    told = [(each["code"], each["input"]) for each in reply["diagnostics"]]
    assert [("bad-input", "scale"), ("bad-input", "shade"), ("missing-input", "photo")] == sorted(told)


def test_the_accelerator_that_is_asked_for_is_wanted(project: Client, root: Path) -> None:
    """A published workflow runs on the accelerator of the request, whatever its manifest says."""
    asked = {"inputs": {"photo": upload(project)}, "accelerator": "A100_80GB"}
    run = project.run(asked, "tint")
    assert ("COMPLETED", "A100_80GB") == (run["status"], run["accelerator"])
    with closing(sqlite3.connect(root / "data" / "ledger.sqlite3")) as ledger:
        wanted = [json.loads(row[0]) for row in ledger.execute("SELECT accelerator FROM attempts ORDER BY rowid")]
    assert ["A100_80GB"] == wanted[-1]


def test_a_prompt_can_be_checked_at_once(project: Client) -> None:
    """With `validate`, a class that is missing is 422 with node errors; files that the run brings count as there."""
    wrong = picture_prompt() | {"1": {"class_type": "NoSuchNode", "inputs": {}}}
    reply = project.post({"prompt": wrong, "validate": True})
    assert (422, "invalid-prompt") == (reply.status_code, reply.json()["error"])
    assert "NoSuchNode" in reply.json()["message"]
    body = {"prompt": copy_prompt("new.png"), "files": {"/input/new.png": upload(project)}, "validate": True}
    assert "COMPLETED" == project.run(body)["status"]
