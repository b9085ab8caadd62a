"""A newer save comes into a workflow that people have worked on."""

import copy
import json
from pathlib import Path

import pytest

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed, UsageError
from comfypipe.importing.imports import import_workflow
from comfypipe.importing.manifest import Form
from comfypipe.importing.update import Updated, update_workflow
from comfypipe.manifest.load import load_manifest
from comfypipe.plan.build import Planner, jobs
from comfypipe.plan.library import load_library
from comfypipe.project import ProjectLayout


def a_node(kind: str, title: str | None = None, /, **inputs: JSON) -> JSONObject:
    """Return a node of a prompt."""
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


FIRST: JSONObject = {
    "1": a_node("CheckpointLoaderSimple", ckpt_name="a.safetensors"),
    "2": a_node("CLIPTextEncode", "subject", text="a cat", clip=["1", 1]),
    "3": a_node("KSampler", model=["1", 0], positive=["2", 0], seed=1, steps=20, cfg=8.0),
    "4": a_node("SaveImage", images=["3", 0], filename_prefix="x"),
}


class Desk:
    """A project with one imported workflow, and saves to bring into it."""

    def __init__(self, folder: Path, form: Form) -> None:
        (folder / "project").mkdir()
        (folder / "project" / "pyproject.toml").write_text("[tool.comfypipe]\n")
        self.folder = folder
        self.form = form
        self.layout = ProjectLayout.find(folder / "project")
        self.made = import_workflow(self.file(FIRST), self.layout, name="x", form=form)

    def file(self, prompt: JSONObject) -> Path:
        """Return a file with *prompt*."""
        path = self.folder / "save.json"
        path.write_text(json.dumps(prompt))
        return path

    def edit(self, old: str, new: str, *, workflow: bool = False) -> None:
        """Work on the manifest, or on the workflow."""
        path = self.made.workflow if workflow else self.made.manifest
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def update(self, prompt: JSONObject, *, force: bool = False) -> Updated:
        """Bring in a newer save."""
        return update_workflow(self.file(prompt), self.layout, "x", force=force)

    def manifest(self) -> str:
        """Return the manifest's text."""
        return self.made.manifest.read_text()

    def rendered(self, **given: JSON) -> JSONObject:
        """Return the prompt that the workflow gives."""
        assert not load_manifest(self.made.manifest, "x").warnings
        plan = Planner(load_library(self.layout), self.layout).plan("x", given)
        return jobs(plan, plan.steps[0], {}, self.layout)[0].prompt


@pytest.fixture(params=["bind", "template"])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return a project with an import in either form."""
    return Desk(tmp_path, request.param)


def newer(**changes: JSONObject | None) -> JSONObject:
    """Return ``FIRST`` with inputs of nodes changed, nodes added, or taken away."""
    prompt = copy.deepcopy(FIRST)
    for node_id, change in changes.items():
        key = node_id.removeprefix("n")
        if change is None:
            del prompt[key]
        elif "class_type" in change:
            prompt[key] = change
        else:
            prompt[key]["inputs"].update(change)
    return prompt


def test_the_same_save_changes_nothing(desk: Desk) -> None:
    """Not a byte."""
    before = {each: each.read_bytes() for each in desk.layout.root.rglob("*") if each.is_file()}
    updated = desk.update(FIRST)
    assert not updated.changes
    assert [] == list(updated.changes.lines())
    assert before == {each: each.read_bytes() for each in desk.layout.root.rglob("*") if each.is_file()}


def test_values_that_nobody_touched_follow_the_save(desk: Desk) -> None:
    """Inputs by their defaults, the rest in the workflow."""
    save = newer(n2={"text": "a dog"}, n3={"steps": 30}, n4={"filename_prefix": "y"})
    updated = desk.update(save)
    assert save == desk.rendered()
    assert [
        '~ node 2 CLIPTextEncode "subject"',
        '    text: "a cat" -> "a dog"',
        "~ node 3 KSampler",
        "    steps: 20 -> 30",
        "~ node 4 SaveImage",
        '    filename_prefix: "x" -> "y"',
        '~ inputs.subject.default: "a cat" -> "a dog"',
        "~ inputs.steps.default: 20 -> 30",
    ] == list(updated.changes.lines())


def test_what_the_author_changed_stays(desk: Desk) -> None:
    """Defaults, limits, descriptions, comments, order and other sections."""
    desk.edit(
        "steps: {type: integer, default: 20", "steps: {type: integer, description: How long, maximum: 50, default: 25"
    )
    desk.edit("outputs:\n", "# ours\nretry: {attempts: 5}   # patience\noutputs:\n")
    before = desk.manifest()
    updated = desk.update(newer(n3={"steps": 30}))
    assert before == desk.manifest()
    assert desk.rendered()["3"]["inputs"]["steps"] == 25
    assert "= inputs.steps.default: 25 is yours and stays; the save has 30" in list(updated.changes.lines())


def test_a_value_that_breaks_the_authors_limit_stays_out(desk: Desk) -> None:
    """The manifest would be wrong with it."""
    desk.edit("steps: {type: integer, default: 20", "steps: {type: integer, maximum: 25, default: 20")
    updated = desk.update(newer(n3={"steps": 30}))
    assert desk.rendered()["3"]["inputs"]["steps"] == 20
    assert ["steps"] == [each.name for each in updated.changes.kept]


def test_new_nodes_bring_inputs_outputs_and_models(desk: Desk) -> None:
    """Added at the end, named apart from what is there."""
    save = newer(
        n5=a_node("LoraLoader", model=["1", 0], lora_name="ink.safetensors"),
        n6=a_node("KSampler", model=["5", 0], positive=["2", 0], seed=5, steps=8, cfg=1.0),
        n7=a_node("SaveImage", images=["6", 0], filename_prefix="z"),
    )
    updated = desk.update(save)
    assert {
        "inputs": ["seed_2", "steps_2", "cfg_2"],
        "outputs": ["image_2"],
        "models": ["models/loras/ink.safetensors"],
    } == updated.changes.added
    assert save == desk.rendered()
    assert desk.rendered(seed_2=9)["6"]["inputs"]["seed"] == 9


def test_what_is_gone_from_the_save_goes_from_the_manifest(desk: Desk) -> None:
    """Inputs of nodes that are gone, or that are linked now; outputs and models; never what the author added."""
    desk.edit("models:\n", "models:\n  - path: models/vae/ours.pt   # our own\n")
    save = newer(
        n1=a_node("UNETLoader", unet_name="b.safetensors"),
        n4=None,
        n5=a_node("PrimitiveInt", value=4),
        n6=a_node("SaveWEBM", images=["3", 0], filename_prefix="x"),
        n3={"steps": ["5", 0]},
    )
    updated = desk.update(save)
    assert {
        "inputs": ["steps"],
        "outputs": ["image"],
        "models": ["models/checkpoints/a.safetensors"],
    } == updated.changes.removed
    assert {
        "inputs": ["steps_2"],
        "outputs": ["video"],
        "models": ["models/diffusion_models/b.safetensors"],
    } == updated.changes.added
    assert "  - path: models/vae/ours.pt   # our own\n" in desk.manifest()
    assert save == desk.rendered()


def test_inputs_that_the_author_took_out_do_not_come_back(desk: Desk) -> None:
    """Unless they are new."""
    line = next(each for each in desk.manifest().splitlines(keepends=True) if each.lstrip().startswith("cfg:"))
    desk.edit(line, "")
    if desk.form == "template":
        desk.edit("{{ cfg }}", "7.5", workflow=True)
    desk.update(newer(n3={"steps": 30}))
    assert "cfg" not in desk.manifest()
    assert desk.rendered()["3"]["inputs"]["cfg"] == (7.5 if desk.form == "template" else 8.0)


def test_nodes_that_moved_keep_their_inputs(desk: Desk) -> None:
    """A save whose nodes have other ids is followed, in bindings and outputs."""
    moved = {
        "1": FIRST["1"],
        "2": FIRST["2"],
        "9:3": a_node("KSampler", model=["1", 0], positive=["2", 0], seed=1, steps=21, cfg=8.0),
        "9:4": a_node("SaveImage", images=["9:3", 0], filename_prefix="x"),
    }
    updated = desk.update(moved)
    assert moved == desk.rendered()
    assert {} == updated.changes.added == updated.changes.removed
    assert 'image: {type: image, node: "9:4"}' in desk.manifest()
    assert desk.rendered(seed=3)["9:3"]["inputs"]["seed"] == 3


def test_renamed_inputs_of_an_export_follow_their_binding(tmp_path: Path) -> None:
    """An author may call them anything."""
    desk = Desk(tmp_path, "bind")
    desk.edit("  steps: {", "  patience: {")
    desk.update(newer(n3={"steps": 30}))
    assert "patience: {type: integer, default: 30" in desk.manifest()


def test_edits_of_a_template_and_of_the_save_come_together(tmp_path: Path) -> None:
    """Line by line."""
    desk = Desk(tmp_path, "template")
    desk.edit('"filename_prefix": "x"', '"filename_prefix": "{{ subject }}_x"', workflow=True)
    desk.update(newer(n1={"ckpt_name": "b.safetensors"}))
    inputs = {node_id: node["inputs"] for node_id, node in desk.rendered(subject="sea").items()}
    assert ("b.safetensors", "sea_x") == (inputs["1"]["ckpt_name"], inputs["4"]["filename_prefix"])


def test_lines_of_a_template_that_both_changed_are_not_guessed(tmp_path: Path) -> None:
    """Nothing is written; with force the author's stay and the rest comes in."""
    desk = Desk(tmp_path, "template")
    desk.edit('"filename_prefix": "x"', '"filename_prefix": "ours"', workflow=True)
    save = newer(n1={"ckpt_name": "b.safetensors"}, n4={"filename_prefix": "theirs"})
    before = {each: each.read_bytes() for each in desk.layout.root.rglob("*") if each.is_file()}
    with pytest.raises(ImportFailed, match=r"lines of x\.json\.j2 that you changed, too: \d+"):
        desk.update(save)
    assert before == {each: each.read_bytes() for each in desk.layout.root.rglob("*") if each.is_file()}
    updated = desk.update(save, force=True)
    assert 1 == len(updated.changes.conflicts)
    inputs = {node_id: node["inputs"] for node_id, node in desk.rendered().items()}
    assert ("b.safetensors", "ours") == (inputs["1"]["ckpt_name"], inputs["4"]["filename_prefix"])


def test_a_template_without_its_base_says_so(tmp_path: Path) -> None:
    """Nothing is known of what was imported."""
    desk = Desk(tmp_path, "template")
    (desk.layout.workflows / "x.import.json").write_text("{")
    with pytest.raises(ImportFailed, match="nothing is known of the last import of x"):
        desk.update(FIRST)


def test_only_workflows_that_are_there_can_be_updated(desk: Desk) -> None:
    """Neither others, nor pipelines."""
    with pytest.raises(UsageError, match='no manifest of "y"'):
        update_workflow(desk.file(FIRST), desk.layout, "y")
    (desk.layout.manifests / "p.yaml").write_text(
        "apiVersion: comfypipe/v1\nkind: Pipeline\nname: p\nsteps: [{id: a, workflow: x}]\n"
    )
    with pytest.raises(UsageError, match="p is a pipeline"):
        update_workflow(desk.file(FIRST), desk.layout, "p")


def test_updates_may_follow_each_other(desk: Desk) -> None:
    """Each starts from the one before."""
    desk.update(newer(n3={"steps": 30}))
    desk.update(newer(n3={"steps": 40}, n2={"text": "a dog"}))
    assert newer(n3={"steps": 40}, n2={"text": "a dog"}) == desk.rendered()
