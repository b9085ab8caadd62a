"""Files become workflows and manifests of a project."""

import json
import os
from pathlib import Path

import pytest
from tests.unit.importing import media
from tests.unit.importing.builders import CATALOG, a_graph, a_node, convert

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed, UsageError
from comfypipe.importing.imports import import_workflow
from comfypipe.importing.manifest import Candidate
from comfypipe.importing.write import check_name, suggested_name, write_files
from comfypipe.plan.build import Planner, jobs
from comfypipe.plan.library import load_library
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

INFO = ObjectInfo(CATALOG)
PROMPT: JSONObject = {
    "1": {"class_type": "Plain", "inputs": {"text": "a cat"}, "_meta": {"title": "subject"}},
    "2": {"class_type": "Sample", "inputs": {"seed": 7, "steps": 20, "sampler": "ddim", "latent": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
}
GRAPH = a_graph(
    a_node(1, "Plain", ["a cat"], title="subject"),
    a_node(2, "Sample", [7, "fixed", 20, "ddim"], {"latent": (1, 0)}),
    a_node(3, "SaveImage", ["x"], {"images": (2, 0)}),
)


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    """Return an empty project."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").write_text("[tool.comfypipe]\n")
    return ProjectLayout.find(tmp_path / "project")


def a_file(tmp_path: Path, document: JSON, name: str = "portrait.json") -> Path:
    """Return a JSON file."""
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return path


def files(layout: ProjectLayout) -> list[str]:
    """Return the project's files by path."""
    return sorted(each.relative_to(layout.root).as_posix() for each in layout.root.rglob("*") if each.is_file())


def rendered(layout: ProjectLayout, name: str, **given: JSON) -> JSONObject:
    """Return the prompt that a workflow of the project gives."""
    plan = Planner(load_library(layout), layout).plan(name, given)
    return jobs(plan, plan.steps[0], {}, layout)[0].prompt


def test_an_export_is_kept_untouched_and_bound_to(layout: ProjectLayout, tmp_path: Path) -> None:
    """Down to its white space; what is given goes where it belongs."""
    text = json.dumps(PROMPT, indent=5)
    made = import_workflow(a_file(tmp_path, text), layout, object_info=INFO)
    assert ["manifests/portrait.yaml", "pyproject.toml", "workflows/portrait.json"] == files(layout)
    assert text == made.workflow.read_text()
    assert PROMPT == rendered(layout, "portrait")
    other = rendered(layout, "portrait", subject="a dog", seed=8)
    assert ("a dog", 8) == (other["1"]["inputs"]["text"], other["2"]["inputs"]["seed"])


@pytest.mark.parametrize("everything", [False, True])
def test_a_template_gives_the_same_prompt(layout: ProjectLayout, tmp_path: Path, everything: bool) -> None:
    """With what is given in place, and with its defaults the prompt that it was made of."""
    made = import_workflow(
        a_file(tmp_path, GRAPH), layout, object_info=INFO, name="x", form="template", everything=everything
    )
    assert ["manifests/x.yaml", "pyproject.toml", "workflows/x.import.json", "workflows/x.json.j2"] == files(layout)
    assert made.draft.prompt == rendered(layout, "x")
    assert rendered(layout, "x", steps=5)["2"]["inputs"]["steps"] == 5


def test_a_picture_gives_the_prompt_that_made_it(layout: ProjectLayout, tmp_path: Path) -> None:
    """What ran counts, not the graph beside it; no catalog is needed."""
    import_workflow(media.png(tmp_path / "Sea 01.png"), layout)
    assert media.PROMPT == rendered(layout, "Sea_01")


def test_a_prompt_beside_its_graph_keeps_what_the_graph_shows_once(layout: ProjectLayout, tmp_path: Path) -> None:
    """As far as the prompt agrees with it."""
    graph = a_graph(
        a_node(3, "PrimitiveNode", [7, "fixed"], title="both"),
        a_node(4, "Sample", [1, "fixed", 20, "ddim"], {"seed": (3, 0)}, widgets=["seed"]),
        a_node(5, "Sample", [2, "fixed", 20, "ddim"], {"seed": (3, 0)}, widgets=["seed"]),
        a_node(6, "SaveImage", ["x"], {"images": (4, 0)}),
        a_node(7, "SaveImage", ["x"], {"images": (5, 0)}),
    )
    prompt = convert(graph).prompt
    one = import_workflow(a_file(tmp_path, {"output": prompt, "workflow": graph}), layout, object_info=INFO)
    assert ("4.inputs.seed", "5.inputs.seed") == one.draft.inputs["both_seed"].bind
    prompt["5"]["inputs"]["seed"] = 8
    two = import_workflow(a_file(tmp_path, {"output": prompt, "workflow": graph}), layout, object_info=INFO, force=True)
    assert {"seed", "seed_2"} <= set(two.draft.inputs)


def test_a_graph_needs_a_catalog(layout: ProjectLayout, tmp_path: Path) -> None:
    """Which the error tells how to get."""
    with pytest.raises(ImportFailed, match="comfypipe catalog pull"):
        import_workflow(a_file(tmp_path, GRAPH), layout)
    assert ["pyproject.toml"] == files(layout)


def test_a_prompt_that_is_no_strict_json_is_written_anew(layout: ProjectLayout, tmp_path: Path) -> None:
    """ComfyUI writes NaN, which no other reader takes."""
    text = '{"1": {"class_type": "A", "inputs": {"text": "x"}, "is_changed": [NaN]}}'
    import_workflow(a_file(tmp_path, text), layout)
    assert {"1": {"class_type": "A", "inputs": {"text": "x"}, "is_changed": [None]}} == rendered(layout, "portrait")


def test_what_becomes_an_input_can_be_asked(layout: ProjectLayout, tmp_path: Path) -> None:
    """The question names all candidates and those that are proposed."""
    asked: list[tuple[str, bool]] = []

    def pick(offered: "tuple[Candidate, ...] | list[Candidate]") -> list[str]:
        asked.extend((each.name, each.proposed) for each in offered)
        return ["sampler"]

    made = import_workflow(a_file(tmp_path, PROMPT), layout, object_info=INFO, pick=pick)  # type: ignore[arg-type]
    assert [("subject", True), ("seed", True), ("steps", True), ("sampler", False), ("filename_prefix", False)] == asked
    assert ["sampler"] == list(made.draft.inputs)


@pytest.mark.parametrize(
    "there",
    ["manifests/portrait.yaml", "manifests/Portrait.yml", "manifests/sub/portrait.yaml", "workflows/PORTRAIT.json.j2"],
)
def test_nothing_that_is_there_is_replaced(layout: ProjectLayout, tmp_path: Path, there: str) -> None:
    """In whatever spelling: on some systems they would be one file."""
    path = layout.root / there
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    before = files(layout)
    with pytest.raises(UsageError, match="is there already"):
        import_workflow(a_file(tmp_path, PROMPT), layout, object_info=INFO)
    assert before == files(layout)


def test_a_name_that_another_manifest_states_is_taken(layout: ProjectLayout, tmp_path: Path) -> None:
    """Whatever its file is called."""
    layout.manifests.mkdir()
    (layout.manifests / "other.yaml").write_text("kind: Workflow\nname: 'portrait'\n")
    with pytest.raises(UsageError, match=r"manifests/other\.yaml is there already"):
        import_workflow(a_file(tmp_path, PROMPT), layout, object_info=INFO)


def test_force_replaces_and_leaves_nothing_of_the_other_form(layout: ProjectLayout, tmp_path: Path) -> None:
    """The manifest stays where it is."""
    path = a_file(tmp_path, PROMPT)
    import_workflow(path, layout, object_info=INFO, form="template")
    (layout.manifests / "portrait.yaml").rename(layout.manifests / "people.yml")
    import_workflow(path, layout, object_info=INFO, force=True)
    assert ["manifests/people.yml", "pyproject.toml", "workflows/portrait.json"] == files(layout)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a.b", "1a", "a b", "con", "LPT1", "ä", "a" * 65, "-x"])
def test_names_that_escape_or_mean_something_else_are_refused(layout: ProjectLayout, tmp_path: Path, name: str) -> None:
    """Nothing is written."""
    with pytest.raises(UsageError, match="cannot be a name"):
        import_workflow(a_file(tmp_path, PROMPT), layout, object_info=INFO, name=name)
    assert ["pyproject.toml"] == files(layout)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("portrait.json", "portrait"),
        ("My Picture (2).final.png", "My_Picture_2_final"),
        ("portrait.api.json", "portrait"),
        ("01.png", "workflow_01"),
        ("a" * 100 + ".json", "a" * 64),
    ],
)
def test_the_name_comes_from_the_file(file: str, expected: str) -> None:
    """Made fit to be one."""
    assert expected == suggested_name(Path(file))
    check_name(expected)


def test_a_file_without_a_usable_name_asks_for_one() -> None:
    """Nothing is left of it."""
    with pytest.raises(UsageError, match="--name"):
        suggested_name(Path("....json"))


def test_links_that_lead_out_of_the_project_are_not_followed(layout: ProjectLayout, tmp_path: Path) -> None:
    """Neither for folders nor for files."""
    (tmp_path / "elsewhere").mkdir()
    layout.workflows.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ImportFailed, match="leads out of the project"):
        import_workflow(a_file(tmp_path, PROMPT), layout, object_info=INFO)
    assert [] == list((tmp_path / "elsewhere").iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written_leaves_nothing(layout: ProjectLayout, tmp_path: Path) -> None:
    """Both files, or none."""
    layout.manifests.mkdir(mode=0o500)
    with pytest.raises(ImportFailed, match="cannot be written"):
        import_workflow(a_file(tmp_path, PROMPT), layout, object_info=INFO)
    assert ["pyproject.toml"] == files(layout)


def test_when_one_file_cannot_be_written_the_others_are_as_before(tmp_path: Path) -> None:
    """Contents are put back, and nothing new stays."""
    first, new, blocked = tmp_path / "first", tmp_path / "new", tmp_path / "blocked"
    first.write_text("before")
    (blocked / "in the way").mkdir(parents=True)
    with pytest.raises(ImportFailed, match="cannot be written"):
        write_files({first: "after", new: "after", blocked: "after"})
    assert "before" == first.read_text()
    assert ["blocked", "first"] == sorted(each.name for each in tmp_path.iterdir())


def test_a_prompt_too_large_for_a_template_says_what_to_do(layout: ProjectLayout, tmp_path: Path) -> None:
    """Binding has no such limit."""
    large = {**PROMPT, "9": {"class_type": "Plain", "inputs": {"text": "x" * 1_100_000}}}
    path = a_file(tmp_path, large)
    with pytest.raises(ImportFailed, match="--bind"):
        import_workflow(path, layout, object_info=INFO, form="template")
    import_workflow(path, layout, object_info=INFO)


def test_a_graph_of_which_nothing_runs_is_refused(layout: ProjectLayout, tmp_path: Path) -> None:
    """There would be nothing to submit."""
    graph = a_graph(a_node(1, "Note", ["x"]), a_node(2, "Plain", ["x"], mode=2))
    with pytest.raises(ImportFailed, match=r"nothing of portrait\.json runs"):
        import_workflow(a_file(tmp_path, graph), layout, object_info=INFO)


def test_unknown_classes_and_losses_are_told(layout: ProjectLayout, tmp_path: Path) -> None:
    """What the catalog lacks, and what that costs."""
    graph = a_graph(a_node(1, "New", [1, 2]), a_node(2, "SaveImage", ["x"], {"images": (1, 0)}))
    made = import_workflow(a_file(tmp_path, graph), layout, object_info=INFO)
    assert ("New",) == made.unknown
    assert ("node 1 is of class New, which the catalog does not have: its 2 values cannot be placed",) == made.warnings
