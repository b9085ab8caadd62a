"""``import``, ``diff`` and ``catalog``: other people's workflows, on the command line."""

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Type

from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.engine.server.serve import serving

PROMPT = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 32, "batch_size": 1, "color": 255}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {
        "class_type": "SaveImage",
        "inputs": {"images": ["2", 0], "filename_prefix": "night"},
        "_meta": {"title": "Night"},
    },
}


@pytest.fixture
def export(examples: Path) -> Path:
    """Return an API export in the working directory."""
    path = examples / "night.json"
    path.write_text(json.dumps(PROMPT, indent=2))
    return path


def test_an_export_becomes_a_workflow_that_runs(export: Path, typed: Type) -> None:
    """After ``import`` alone the workflow shows, validates, and runs with its inputs changed."""
    made = typed("import", "night.json")
    assert (0, ["workflows/night.json", "manifests/night.yaml"]) == (made.status, made.out.splitlines())
    assert export.read_text() == Path("workflows/night.json").read_text()
    assert 0 == typed("validate", "night").status
    done = typed("run", "night", "-i", "width=16", "--out", "out", "--json")
    assert (0, "completed") == (done.status, done.document["status"])


def test_nothing_is_overwritten_without_force(export: Path, typed: Type) -> None:
    """A second import of the same name is refused, and changes nothing; ``--force`` replaces it."""
    typed("import", "night.json")
    before = Path("manifests/night.yaml").read_text()
    Path("manifests/night.yaml").write_text(before + "tags: [mine]\n")
    refused = typed("import", "night.json")
    assert 2 == refused.status
    assert Path("manifests/night.yaml").read_text().endswith("tags: [mine]\n")
    assert 0 == typed("import", "night.json", "--force").status


def test_an_update_says_what_changed_and_keeps_what_the_author_wrote(export: Path, typed: Type) -> None:
    """A newer save changes defaults that were left alone; the author's own lines stay."""
    typed("import", "night.json")
    manifest = Path("manifests/night.yaml")
    manifest.write_text(manifest.read_text() + "tags: [mine]  # by hand\n")
    newer = json.loads(json.dumps(PROMPT))
    newer["1"]["inputs"]["width"] = 128
    Path("newer.json").write_text(json.dumps(newer))
    updated = typed("import", "newer.json", "--update", "night")
    assert 0 == updated.status
    assert "width" in updated.out
    assert "128" in updated.out
    assert "tags: [mine]  # by hand\n" in manifest.read_text()
    assert "default: 128" in manifest.read_text()


def test_print_needs_no_project(here: Path, typed: Type) -> None:
    """``--print`` writes the prompt alone to stdout, anywhere."""
    (here / "night.json").write_text(json.dumps(PROMPT))
    assert PROMPT == typed("import", "night.json", "--print").document


def test_a_picture_holds_its_workflow(examples: Path, typed: Type) -> None:
    """A PNG that a run saved can be imported: the prompt in it is what ran."""
    typed("run", "recolour", "--out", "out")
    made = typed("import", "out/image.png", "--name", "again")
    assert 0 == made.status
    assert 0 == typed("validate", "again").status


def test_a_file_that_holds_nothing_is_a_clear_error(examples: Path, typed: Type) -> None:
    """A picture without a workflow is refused, exit status 3, and leaves nothing."""
    result = typed("import", "assets/logo.png")
    assert 3 == result.status
    assert not Path("workflows/logo.json").exists()


def test_diff_names_nodes_and_values(export: Path, typed: Type) -> None:
    """Two prompts differ in terms of nodes and values, not of lines."""
    newer = json.loads(json.dumps(PROMPT))
    newer["1"]["inputs"]["width"] = 128
    Path("newer.json").write_text(json.dumps(newer))
    result = typed("diff", "night.json", "newer.json")
    assert 0 == result.status
    assert "width" in result.out
    assert "128" in result.out
    assert "no difference\n" == typed("diff", "night.json", "night.json").out


def test_a_catalog_is_pulled_and_used(examples: Path, typed: Type) -> None:
    """What a server offers is kept in the project, listed, and known to ``validate`` from then on."""
    with serving(Engine(Folders(examples / "in", examples / "out", examples / "temp"))) as url:
        pulled = typed("catalog", "pull", "--backend", url, "--name", "studio")
        assert (0, ".comfypipe/catalogs/studio.json\n") == (pulled.status, pulled.out)
    assert "studio.json" in typed("catalog", "list").out
    assert 0 == typed("validate", "recolour").status


def test_an_unreachable_server_is_exit_status_4(examples: Path, typed: Type) -> None:
    """Nothing listens there: the error says so, with a hint."""
    result = typed("catalog", "pull", "--backend", "http://127.0.0.1:9")
    assert 4 == result.status
    assert "hint: is it running, and is this its address and port?" in result.err
