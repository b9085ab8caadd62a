from pathlib import Path

import pytest
from tests.unit.plan.projects import PIPELINE, told, write

from comfypipe.errors import ManifestInvalid, UsageError
from comfypipe.plan.library import load_library
from comfypipe.project import ProjectLayout


def test_manifests_are_found_by_name_and_kind(tmp_path: Path) -> None:
    """Every manifest below the folder is there, under its name; hidden files and others are not."""
    library, layout = write(tmp_path, {"manifests/cards/card.yml": PIPELINE, "manifests/.x.yaml": "no"})
    (layout.manifests / "notes.txt").write_text("no", encoding="utf-8")
    assert (
        {"caption", "cutout", "recolour", "sheet"},
        {"card"},
        (),
        ("caption", "card", "cutout", "recolour", "sheet"),
    ) == (set(library.workflows), set(library.pipelines), library.diagnostics, library.names())
    assert "manifests/cards/card.yml" == library.manifest("card").shown


def test_an_unknown_name_is_told_with_the_closest(tmp_path: Path) -> None:
    """A name that is none is a mistake in the call."""
    library, _ = write(tmp_path)
    with pytest.raises(UsageError) as caught:
        library.manifest("cut-out")
    assert 'there is no workflow or pipeline "cut-out"\n  hint: did you mean cutout?' == str(caught.value)


def test_a_broken_manifest_does_not_hide_the_others(tmp_path: Path) -> None:
    """What is wrong with one manifest is told, and when it is asked for; the others work."""
    library, _ = write(tmp_path, {"manifests/sheet.yaml": "kind: Workflow"})
    assert "cutout" == library.manifest("cutout").name
    with pytest.raises(ManifestInvalid) as caught:
        library.manifest("sheet")
    assert library.diagnostics == caught.value.diagnostics == library.broken["sheet"]
    assert "sheet" in library.names()


def test_two_manifests_of_one_name_are_told(tmp_path: Path) -> None:
    """The first keeps the name; the second is named with the place of the first."""
    text = "apiVersion: comfypipe/v1\nkind: Workflow\nname: cutout\nworkflow: workflows/cutout.json.j2\n"
    library, _ = write(tmp_path, {"manifests/zebra.yaml": text})
    assert [
        'manifests/zebra.yaml:3:7 duplicate-name: the name "cutout" is taken\n  hint: manifests/cutout.yaml:1:1 has it'
    ] == told(library.diagnostics)
    assert "manifests/cutout.yaml" == library.manifest("cutout").shown


def test_a_project_without_manifests_is_empty(tmp_path: Path) -> None:
    """A folder that is not there holds nothing."""
    (tmp_path / "pyproject.toml").write_text("[tool.comfypipe]\n", encoding="utf-8")
    assert () == load_library(ProjectLayout.find(tmp_path)).names()
