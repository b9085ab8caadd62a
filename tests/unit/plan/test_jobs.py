import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.unit.plan.projects import FILES, PIPELINE, RECOLOUR, Changes, steps, write

from comfypipe.errors import ComfypipeError, InputInvalid, PlanError, PromptInvalid
from comfypipe.manifest.schema import ModelSpec, RetrySpec
from comfypipe.manifest.values import FileValue, Value
from comfypipe.plan.build import Planner, jobs, outputs
from comfypipe.plan.steps import Job, PlacedFile, Plan, StepOutputs
from comfypipe.project import ProjectLayout


def planned(
    root: Path, name: str, given: Mapping[str, object] | None = None, changes: Changes | None = None
) -> tuple[Plan, ProjectLayout]:
    """Build a plan in a small project, with seed 5."""
    library, layout = write(root, changes or {})
    return Planner(library, layout).plan(name, given or {}, base=root, draw_seed=lambda: 5), layout


def made(name: str, content: str = "") -> FileValue:
    """Return a file that a step made."""
    return FileValue(
        name, "image", Path("/artifacts", name), None, hashlib.sha256((content or name).encode()).hexdigest()
    )


def asset(root: Path, name: str) -> FileValue:
    """Return an asset of the project as a value."""
    path = root / "assets" / name
    return FileValue(name, "image", path, None, hashlib.sha256(path.read_bytes()).hexdigest())


def one_step(
    root: Path, text: str, results: Mapping[str, StepOutputs] | None = None, inputs: str = ""
) -> tuple[Job, ...]:
    """Return the jobs of the last step of a pipeline."""
    plan, layout = planned(root, "p", changes={"manifests/p.yaml": steps(text, inputs)})
    return jobs(plan, plan.steps[-1], results or {}, layout)


def test_a_job_has_all_that_a_backend_needs(tmp_path: Path) -> None:
    """Prompt, files, outputs, models and settings of a workflow's only job, whole."""
    plan, layout = planned(tmp_path, "recolour", {"image": "assets/photo.png", "colour": "green", "seed": 7})
    photo = asset(tmp_path, "photo.png")
    job = jobs(plan, plan.steps[0], {}, layout)[0]
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": photo.placement}},
        "9": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "green_7"},
            "_meta": {"title": "Saved"},
        },
    }
    assert (
        Job(
            step_id="recolour",
            item=None,
            workflow="recolour",
            values={"image": photo, "colour": "green", "seed": 7},
            prompt=prompt,
            files=(PlacedFile(f"input/{photo.placement}", photo),),
            outputs={"image": ("9", "image")},
            digest=job.digest,
            accelerator=("L4",),
            retry=RetrySpec(attempts=2),
            timeout_s=60.0,
            models=(ModelSpec(path="models/loras/ink.safetensors", sha256="AB" * 32),),
        )
        == job
    )


def test_files_of_the_manifest_come_with_every_job(tmp_path: Path) -> None:
    """What ``files`` declares is placed under its own name, each given file once, by content."""
    plan, layout = planned(tmp_path, "sheet", {"images": ["assets/photo.png", "assets/photo.png"]})
    job = jobs(plan, plan.steps[0], {}, layout)[0]
    photo, logo = asset(tmp_path, "photo.png"), asset(tmp_path, "logo.png")
    assert (
        PlacedFile(f"input/{photo.placement}", photo),
        PlacedFile("input/brand/logo.png", FileValue("logo.png", "file", logo.path, None, logo.sha256)),
    ) == job.files


def test_an_input_that_was_left_out_is_none_in_the_template(tmp_path: Path) -> None:
    """A template sees None, and can say what stands instead."""
    plan, layout = planned(tmp_path, "sheet", {"images": ["assets/photo.png"]})
    job = jobs(plan, plan.steps[0], {}, layout)[0]
    assert (None, "sheet") == (job.values["title"], job.prompt["save"]["inputs"]["filename_prefix"])


def test_an_export_keeps_what_is_left_out(tmp_path: Path) -> None:
    """Values go where ``bind`` says; what nobody gives stays as it was exported."""
    text = """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/caption.json
        inputs:
          image: {type: image, required: false, bind: "1.inputs.image"}
          source: {type: integer, default: 3, bind: Caption.source}
        """
    plan, layout = planned(tmp_path, "caption", changes={"manifests/caption.yaml": text})
    prompt = jobs(plan, plan.steps[0], {}, layout)[0].prompt
    assert ("example.png", 3) == (prompt["1"]["inputs"]["image"], prompt["2"]["inputs"]["source"])


def test_a_fan_out_has_a_job_for_each_item(tmp_path: Path) -> None:
    """Jobs come in the order of the items, with a seed each, the same ones every time."""
    plan, layout = planned(tmp_path, "card", changes={"manifests/card.yaml": PIPELINE})
    results: Mapping[str, StepOutputs] = {"cutout": {"image": made("cut.png")}}
    found = jobs(plan, plan.step("variants"), results, layout)
    assert [(0, "red"), (1, "blue")] == [(job.item, job.values["colour"]) for job in found]
    seeds = [job.values["seed"] for job in found]
    assert (2, seeds) == (
        len(set(map(str, seeds))),
        [job.values["seed"] for job in jobs(plan, plan.step("variants"), results, layout)],
    )
    assert all(isinstance(seed, int) and 0 <= seed < 1 << 53 for seed in seeds)


def test_a_gather_is_one_flat_list(tmp_path: Path) -> None:
    """Reading a fan-out gives the outputs of all its jobs; a job that saved several adds them all."""
    plan, layout = planned(tmp_path, "card", changes={"manifests/card.yaml": PIPELINE})
    a, b, c = made("a.png"), made("b.png"), made("c.png")
    results: Mapping[str, StepOutputs] = {"variants": ({"image": a}, {"image": [b, c]})}
    job = jobs(plan, plan.step("sheet"), results, layout)[0]
    assert ([a, b, c], "2 colours") == (job.values["images"], job.values["title"])


def test_too_much_to_gather_is_told(tmp_path: Path) -> None:
    """What a run gives may not fit after all: then the step fails, with its place."""
    plan, layout = planned(tmp_path, "card", changes={"manifests/card.yaml": PIPELINE})
    files: list[Value] = [made(f"{n}.png") for n in range(4)]
    with pytest.raises(InputInvalid) as caught:
        jobs(plan, plan.step("sheet"), {"variants": ({"image": files},)}, layout)
    assert ('manifests/card.yaml:9:22 step "sheet": input images takes at most 3 items, not 4') == str(caught.value)


CUT = "- {id: cut, workflow: cutout, inputs: {image: assets/photo.png}}\n"


@pytest.mark.parametrize(
    ("condition", "count"),
    [("true", 1), ("false", 0), ("'{{ inputs.on }}'", 0), ("'{{ not inputs.on }}'", 1), ("'{{ 0 }}'", 0), ("null", 1)],
)
def test_a_step_runs_when_its_condition_holds(tmp_path: Path, condition: str, count: int) -> None:
    """A step whose ``when`` is false, or as good as false, has no jobs."""
    text = f"- {{id: cut, workflow: cutout, when: {condition}, inputs: {{image: assets/photo.png}}}}"
    assert count == len(one_step(tmp_path, text, inputs="on: {type: boolean, default: false}"))


def test_a_condition_reads_what_steps_gave(tmp_path: Path) -> None:
    """``when`` may look at outputs."""
    text = """
        - {id: words, workflow: caption, inputs: {image: assets/photo.png}}
        - {id: cut, workflow: cutout, when: "{{ steps.words.outputs.count > 3 }}", inputs: {image: assets/photo.png}}
        """
    assert [0, 1] == [len(one_step(tmp_path, text, {"words": {"count": count}})) for count in (3, 4)]


@pytest.mark.parametrize(
    ("items", "count"), [("[1, 2, 3]", 3), ("[]", 0), ("'{{ inputs.sizes }}'", 2), ("'{{ inputs.sizes[:1] }}'", 1)]
)
def test_a_fan_out_runs_over_any_list(tmp_path: Path, items: str, count: int) -> None:
    """Items may be written out, or computed from inputs."""
    text = f"- {{id: cut, workflow: cutout, for_each: {items}, inputs: {{image: assets/photo.png}}}}"
    inputs = "sizes: {type: list, items: {type: integer}, default: [32, 64]}"
    assert count == len(one_step(tmp_path, text, inputs=inputs))


def test_one_file_is_a_list_of_one(tmp_path: Path) -> None:
    """A fan-out over an output runs once when the node saved one file."""
    text = CUT + "- {id: b, workflow: cutout, for_each: '{{ steps.cut.outputs.image }}', inputs: {image: '{{ item }}'}}"
    a, b = made("a.png"), made("b.png")
    assert [[a], [a, b]] == [
        [job.values["image"] for job in one_step(tmp_path, text, {"cut": {"image": image}})] for image in (a, [a, b])
    ]


def test_items_may_be_mappings(tmp_path: Path) -> None:
    """An item's parts are read by name."""
    text = """
        - id: cut
          workflow: cutout
          for_each: [{file: assets/photo.png, size: 64}, {file: assets/logo.png, size: 128}]
          inputs: {image: "{{ item.file }}", size: "{{ item.size }}"}
        """
    assert [("photo.png", 64), ("logo.png", 128)] == [
        (job.values["image"].filename, job.values["size"])  # type: ignore[union-attr]
        for job in one_step(tmp_path, text)
    ]


def test_text_from_a_node_never_names_a_file(tmp_path: Path) -> None:
    """A caption that looks like a path is not opened."""
    text = """
        - {id: words, workflow: caption, inputs: {image: assets/photo.png}}
        - {id: cut, workflow: cutout, inputs: {image: "{{ [steps.words.outputs.text][0] }}"}}
        """
    changes = {"manifests/p.yaml": steps(text)}
    with pytest.raises(PlanError):
        planned(tmp_path, "p", changes=changes)


@pytest.mark.parametrize(
    ("results", "error", "expected"),
    [
        (
            {"words": {"count": 5000, "text": "a"}},
            InputInvalid,
            '8:45 step "cut": input size takes at most 1024, not 5000',
        ),
        (
            {"words": {"count": None, "text": "a"}},
            PlanError,
            (
                '7:11 step "cut": {{ steps.words.outputs.count > 0 }} has no value: '
                "'>' not supported between instances of 'NoneType' and 'int'"
            ),
        ),
    ],
)
def test_what_a_run_gives_may_not_fit(
    tmp_path: Path, results: Mapping[str, StepOutputs], error: type[ComfypipeError], expected: str
) -> None:
    """A value that only the run could tell fails the step, with its place in the pipeline."""
    text = """
        - {id: words, workflow: caption, inputs: {image: assets/photo.png}}
        - id: cut
          workflow: cutout
          when: "{{ steps.words.outputs.count > 0 }}"
          inputs: {image: assets/photo.png, size: "{{ steps.words.outputs.count }}"}
        """
    with pytest.raises(error) as caught:
        one_step(tmp_path, text, results)
    assert f"manifests/p.yaml:{expected}" == str(caught.value)


def test_a_template_that_breaks_on_real_values_is_told(tmp_path: Path) -> None:
    """An output whose node is only written for some values is missing for the others."""
    template = FILES["workflows/recolour.json.j2"].replace('"9":', '"{{ 9 if colour == "red" else 8 }}":')
    changes = {
        "workflows/recolour.json.j2": template,
        "manifests/recolour.yaml": RECOLOUR.replace("node: Saved", 'node: "9"'),
    }
    plan, layout = planned(tmp_path, "recolour", {"image": "assets/photo.png"}, changes)
    wrong = replace(plan, inputs={**plan.inputs, "colour": "blue"}, ready={})
    with pytest.raises(PromptInvalid) as caught:
        jobs(wrong, wrong.steps[0], {}, layout)
    assert 'manifests/recolour.yaml:14:30 outputs.image: no node has the id or title "9"' in str(caught.value)


# Digests


def test_a_jobs_digest_is_its_content(tmp_path: Path) -> None:
    """The same prompt over the same bytes has the same name, in another project and under another path."""
    (tmp_path / "elsewhere").mkdir()
    digests = set()
    for root, name in ((tmp_path / "a", "photo.png"), (tmp_path / "b", "sub/photo.png")):
        _, layout = planned(root, "recolour", {"image": "assets/photo.png"})
        (root / "sub").mkdir()
        (root / "sub" / "photo.png").write_bytes((root / "assets" / "photo.png").read_bytes())
        given = {"image": f"assets/{name}" if "/" not in name else name, "seed": 5}
        plan, layout = planned(root, "recolour", given)
        digests.add(jobs(plan, plan.steps[0], {}, layout)[0].digest)
    assert 1 == len(digests)


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({}, {"seed": 6}),
        ({"assets/photo.png": "other pixels"}, {}),
        ({"manifests/recolour.yaml": RECOLOUR.replace("AB" * 32, "CD" * 32)}, {}),
        ({"manifests/recolour.yaml": RECOLOUR.replace("image: {type: image, node", "mask: {type: mask, node")}, {}),
    ],
)
def test_a_jobs_digest_changes_with_its_content(tmp_path: Path, changes: Changes, given: Mapping[str, object]) -> None:
    """Values, bytes, models and outputs are part of a job's name."""
    common = {"image": "assets/photo.png", "seed": 5}
    first, layout = planned(tmp_path / "a", "recolour", common)
    before = jobs(first, first.steps[0], {}, layout)[0].digest
    second, layout = planned(tmp_path / "b", "recolour", {**common, **given}, changes)
    assert before != jobs(second, second.steps[0], {}, layout)[0].digest


# Outputs


def test_outputs_are_the_values_of_their_expressions(tmp_path: Path) -> None:
    """Declared outputs read the steps' results; what a skipped step would have given is None."""
    plan, _ = planned(tmp_path, "card", changes={"manifests/card.yaml": PIPELINE})
    sheet, a, b = made("sheet.png"), made("a.png"), made("b.png")
    results: Mapping[str, StepOutputs] = {"sheet": {"image": sheet}, "variants": ({"image": a}, {"image": b})}
    assert {"sheet": sheet, "variants": [a, b]} == outputs(plan, results)
    assert {"sheet": None, "variants": [a]} == outputs(plan, {"sheet": {}, "variants": ({"image": a},)})


def test_outputs_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """An expression that fails on real values says which output it was."""
    text = steps(CUT, outputs="name: '{{ steps.cut.outputs.image.filename }}'")
    plan, _ = planned(tmp_path, "p", changes={"manifests/p.yaml": text})
    with pytest.raises(PlanError) as caught:
        outputs(plan, {"cut": {"image": [made("a.png"), made("b.png")]}})
    assert str(caught.value).startswith("output name: {{ steps.cut.outputs.image.filename }} has no value")


def test_without_outputs_the_last_steps_give_theirs(tmp_path: Path) -> None:
    """A pipeline that declares none has those of the steps that nobody reads, told apart where there are several."""
    one = steps(CUT + "- {id: b, workflow: cutout, inputs: {image: '{{ steps.cut.outputs.image }}'}}")
    plan, _ = planned(tmp_path, "p", changes={"manifests/p.yaml": one})
    a, b = made("a.png"), made("b.png")
    assert {"image": b} == outputs(plan, {"cut": {"image": a}, "b": {"image": b}})
    two = steps(CUT + "- {id: b, workflow: cutout, for_each: [1, 2], inputs: {image: assets/photo.png}}")
    plan, _ = planned(tmp_path, "p", changes={"manifests/p.yaml": two})
    found = outputs(plan, {"cut": {"image": a}, "b": ({"image": a}, {"image": b})})
    assert {"cut_image": a, "b_image": [a, b]} == found


def test_a_workflow_without_outputs_gives_all_that_it_saved(tmp_path: Path) -> None:
    """What nobody declared has the names that the run gives it."""
    changes = {"manifests/recolour.yaml": RECOLOUR[: RECOLOUR.index("outputs:")]}
    plan, layout = planned(tmp_path, "recolour", {"image": "assets/photo.png"}, changes)
    assert {} == jobs(plan, plan.steps[0], {}, layout)[0].outputs
    assert {"9": made("a.png")} == outputs(plan, {"recolour": {"9": made("a.png")}})


def test_a_step_that_nothing_is_open_of_is_rendered_once(tmp_path: Path) -> None:
    """The job that was looked at when the plan was made is the one that is submitted, and is as if rendered anew."""
    plan, layout = planned(tmp_path, "recolour", {"image": "assets/photo.png"})
    (job,) = jobs(plan, plan.steps[0], {}, layout)
    assert plan.ready["recolour"] is job
    assert jobs(replace(plan, ready={}), plan.steps[0], {}, layout) == (job,)
