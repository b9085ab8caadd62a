import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.plan.projects import CUTOUT, FILES, OFFERED, PIPELINE, RECOLOUR, Changes, steps, told, write

from comfypipe.errors import (
    ComfypipeError,
    InputInvalid,
    InputMissing,
    ManifestInvalid,
    PlanError,
    PromptInvalid,
    ReferenceCycle,
    ReferenceUnknown,
    TemplateUndefined,
    UsageError,
)
from comfypipe.manifest.schema import RetrySpec
from comfypipe.manifest.values import FileValue
from comfypipe.plan.build import Planner
from comfypipe.plan.steps import Plan
from comfypipe.prompt.object_info import ObjectInfo


def plan(
    root: Path,
    name: str,
    given: Mapping[str, object] | None = None,
    *,
    changes: Changes | None = None,
    preset: str | None = None,
    object_info: ObjectInfo | None = OFFERED,
    seed: int = 5,
) -> Plan:
    """Build a plan in a small project; drawn seeds count up from *seed*."""
    library, layout = write(root, changes or {})
    drawn = iter(range(seed, seed + 100))
    return Planner(library, layout).plan(
        name,
        given or {},
        preset=preset,
        object_info=object_info,
        base=root,
        draw_seed=lambda: next(drawn),
    )


def photo(root: Path, name: str = "photo") -> FileValue:
    """Return an asset of the project as a value."""
    path = root / "assets" / f"{name}.png"
    return FileValue(path.name, "image", path, None, hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_workflow_is_a_plan_of_one_step(tmp_path: Path) -> None:
    """The step is called like the workflow, reads all inputs, and has the manifest's settings."""
    found = plan(tmp_path, "recolour", {"image": "@assets/photo.png", "colour": "blue"})
    step = found.steps[0]
    assert (
        "recolour",
        "Workflow",
        {"image": photo(tmp_path), "colour": "blue", "seed": 5},
        ("seed",),
        None,
        {"image": "{{ steps.recolour.outputs.image }}"},
        (),
    ) == (found.name, found.kind, found.inputs, found.drawn, found.seed, found.outputs, found.warnings)
    assert (
        ("recolour",),
        {name: f"{{{{ inputs.{name} }}}}" for name in ("image", "colour", "seed")},
        ("L4",),
        RetrySpec(attempts=2),
        60.0,
        None,
    ) == (
        tuple(each.id for each in found.steps),
        step.inputs,
        step.accelerator,
        step.retry,
        step.timeout_s,
        step.pipeline,
    )


def test_a_pipeline_is_ordered_by_what_its_steps_read(tmp_path: Path) -> None:
    """Each step comes after those that it reads, whatever the order of the text."""
    found = plan(tmp_path, "card", changes={"manifests/card.yaml": PIPELINE})
    assert [("cutout", frozenset()), ("variants", {"cutout"}), ("sheet", {"variants"})] == [
        (step.id, step.reads) for step in found.steps
    ]
    assert ("Pipeline", (), 5) == (found.kind, found.drawn, found.seed)
    assert "variants" == found.step("variants").id


def test_steps_override_what_their_workflow_says(tmp_path: Path) -> None:
    """A step may have a backend, accelerators, retries and a time limit of its own."""
    text = steps(
        """
        - id: a
          workflow: recolour
          inputs: {image: assets/photo.png}
          backend: "http://127.0.0.1:8188"
          accelerator: [H100]
          retry: {attempts: 9}
          timeout_s: 1.5
        - {id: b, workflow: recolour, inputs: {image: assets/photo.png}, accelerator: []}
        """
    )
    first, second = plan(tmp_path, "p", changes={"manifests/p.yaml": text}).steps
    assert [
        ("http://127.0.0.1:8188", ("H100",), RetrySpec(attempts=9), 1.5),
        (None, (), RetrySpec(attempts=2), 60.0),
    ] == [(step.backend, step.accelerator, step.retry, step.timeout_s) for step in (first, second)]


def test_presets_stand_between_defaults_and_what_is_given(tmp_path: Path) -> None:
    """A preset's seed is not drawn; what is given wins over it."""
    changes = {"manifests/recolour.yaml": RECOLOUR.rstrip() + "\n    presets: {p: {colour: green, seed: 1}}\n"}
    image = "assets/photo.png"
    found = plan(tmp_path, "recolour", {"image": image, "colour": "blue"}, changes=changes, preset="p")
    assert (("blue", 1), ()) == ((found.inputs["colour"], found.inputs["seed"]), found.drawn)


@pytest.mark.parametrize(
    ("name", "given", "error", "expected"),
    [
        (
            "recolor",
            {},
            UsageError,
            'there is no workflow or pipeline "recolor"\n  hint: did you mean recolour?',
        ),
        ("recolour", {}, InputMissing, "input image (image) is missing"),
        (
            "recolour",
            {"image": "assets/photo.png", "color": "red"},
            InputInvalid,
            'there is no input "color"\n  hint: did you mean colour?',
        ),
        (
            "cutout",
            {"image": "assets/photo.png", "size": 1000},
            PromptInvalid,
            (
                "workflows/cutout.json.j2:3:5 node scale (ImageScale): Value 1000 bigger than max of 800: width "
                "(and 1 more)"
            ),
        ),
    ],
)
def test_what_is_wrong_with_a_call_is_told(
    tmp_path: Path, name: str, given: Mapping[str, object], error: type[ComfypipeError], expected: str
) -> None:
    """Unknown names, missing inputs, and values that the prompt does not take, each as its own error."""
    with pytest.raises(error) as caught:
        plan(tmp_path, name, given)
    assert expected == str(caught.value)


def test_an_invalid_prompt_carries_the_servers_own_errors(tmp_path: Path) -> None:
    """ComfyUI's shape of errors is there beside the findings with their places."""
    with pytest.raises(PromptInvalid) as caught:
        plan(tmp_path, "cutout", {"image": "assets/photo.png", "size": 1000})
    assert ["scale"] == list(caught.value.node_errors)
    assert 2 == len(caught.value.diagnostics)


def test_a_class_that_the_backend_lacks_is_an_error(tmp_path: Path) -> None:
    """Given what a backend offers, a class that it does not have keeps the plan from being made."""
    with pytest.raises(PromptInvalid) as caught:
        plan(tmp_path, "caption", {"image": "assets/photo.png"}, object_info=ObjectInfo({}))
    assert {"missing-node-type"} == {each.code for each in caught.value.diagnostics}


def test_an_undefined_name_is_the_templates_error(tmp_path: Path) -> None:
    """What only the template is to blame for keeps the template's error and place."""
    changes = {"workflows/cutout.json.j2": '{"1": {"class_type": "SaveImage", "inputs": {"a": {{ sise }} }}}'}
    with pytest.raises(TemplateUndefined) as caught:
        plan(tmp_path, "cutout", {"image": "assets/photo.png"}, changes=changes)
    assert "workflows/cutout.json.j2" == (caught.value.source.path if caught.value.source else None)


def pipeline_error(root: Path, text: str, inputs: str = "", outputs: str = "") -> PlanError:
    """Return the error of a pipeline that cannot be planned."""
    with pytest.raises(PlanError) as caught:
        plan(root, "p", changes={"manifests/p.yaml": steps(text, inputs, outputs)})
    return caught.value


def test_an_unknown_reference_is_told_with_the_closest(tmp_path: Path) -> None:
    """A reference to a step that is not there has an error of its own."""
    text = """
        - {id: generate, workflow: cutout, inputs: {image: assets/photo.png}}
        - {id: upscale, workflow: cutout, inputs: {image: "{{ steps.gen.outputs.image }}"}}
        """
    error = pipeline_error(tmp_path, text)
    assert (
        ReferenceUnknown,
        (
            'manifests/p.yaml:5:53 step "upscale" reads steps.gen.outputs.image\n'
            "  hint: did you mean steps.generate.outputs.image?"
        ),
    ) == (type(error), str(error))


def test_a_cycle_is_told_with_its_steps(tmp_path: Path) -> None:
    """Steps that wait for each other are named in order."""
    text = """
        - {id: a, workflow: cutout, inputs: {image: "{{ steps.b.outputs.image }}"}}
        - {id: b, workflow: cutout, inputs: {image: "{{ steps.a.outputs.image }}"}}
        """
    error = pipeline_error(tmp_path, text)
    assert (
        ReferenceCycle,
        (
            "manifests/p.yaml:4:10 steps wait for each other: a reads b reads a\n"
            "  hint: one of them must not read the next"
        ),
    ) == (type(error), str(error))


INPUTS = """
    photo: {type: image, default: assets/photo.png}
    colours: {type: list, items: {type: string}, default: [red, blue]}
    """


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "- {id: a, workflow: cutout, inputs: {image: assets/photo.png, size: '{{ inputs.photo }}'}}",
            '7:71 bad-input: step "a": input size takes an integer, not an image',
        ),
        (
            "- {id: a, workflow: cutout, inputs: {image: '{{ inputs.colours }}'}}",
            (
                '7:47 bad-input: step "a": input image takes a path or URL of an image, not a list of 2\n'
                '  hint: to run the step once for each: for_each: "{{ inputs.colours }}", and here "{{ item }}"'
            ),
        ),
        (
            "- {id: a, workflow: cutout, inputs: {image: assets/photo.png, size: '{{ inputs.colours[0] }}'}}",
            '7:71 bad-input: step "a": input size takes an integer, not the text "red"',
        ),
        (
            "- {id: a, workflow: cutout, inputs: {image: assets/photo.png, size: 8}}",
            '7:71 bad-input: step "a": input size takes at least 16, not 8',
        ),
        (
            "- {id: a, workflow: cutout, inputs: {image: assets/foto.png}}",
            (
                '7:47 bad-input: step "a": input image reads assets/foto.png, which does not exist\n'
                "  hint: did you mean photo.png?"
            ),
        ),
        (
            "- {id: a, workflow: cutout, inputs: {image: assets/photo.png, size: '{{ inputs.colours | sum }}'}}",
            (
                '7:71 bad-expression: step "a": {{ inputs.colours | sum }} has no value: '
                "unsupported operand type(s) for +: 'int' and 'str'"
            ),
        ),
        (
            "- {id: a, workflow: cutout, inputs: {image: assets/photo.png, size: '{{ inputs.colours'}}",
            (
                '7:71 bad-expression: step "a": {{ inputs.colours cannot be parsed: unexpected end of template, '
                "expected 'end of print statement'."
            ),
        ),
        (
            "- {id: a, workflow: cutout, inputs: {image: assets/photo.png, sise: 8}}",
            '7:65 unknown-input: step "a": cutout has no input "sise"\n  hint: did you mean size?',
        ),
        (
            "- {id: a, workflow: cutout}",
            '7:5 missing-input: step "a": input image (image) is missing',
        ),
        (
            "- {id: a, workflow: cutuot, inputs: {}}",
            '7:23 unknown-workflow: step "a" runs cutuot, but there is no such workflow\n  hint: did you mean cutout?',
        ),
        (
            "- {id: a, workflow: p}",
            (
                '7:23 bad-step: step "a" runs p, which is a pipeline\n'
                "  hint: pipelines do not nest: name its workflows as steps here"
            ),
        ),
        (
            "- {id: a, workflow: cutout, for_each: '{{ inputs.photo }}', inputs: {image: '{{ item }}'}}",
            '7:41 bad-for-each: step "a": for_each takes a list, not an image',
        ),
        (
            "- {id: a, workflow: cutout, for_each: inputs.colours, inputs: {image: '{{ inputs.photo }}'}}",
            (
                '7:41 wrong-type: step "a": for_each takes one expression, not text\n'
                '  hint: write for_each: "{{ inputs.colours }}"'
            ),
        ),
        (
            "- {id: a, workflow: cutout, when: 'x {{ inputs.photo }}', inputs: {image: '{{ inputs.photo }}'}}",
            (
                '7:37 wrong-type: step "a": when takes one expression, not text\n'
                '  hint: write when: "{{ x {{ inputs.photo }}"'
            ),
        ),
        (
            "- {id: a, workflow: cutout, when: '{{ 1 // 0 }}', inputs: {image: '{{ inputs.photo }}'}}",
            '7:37 bad-expression: step "a": {{ 1 // 0 }} has no value: integer division or modulo by zero',
        ),
        (
            "- {id: a, workflow: cutout, inputs: {image: '{{ item }}'}}",
            (
                '7:47 reference-unknown: step "a" reads item, which only a step with for_each has\n'
                "  hint: for_each itself cannot read it"
            ),
        ),
        (
            "- {id: a, workflow: cutout, backend: gpu, inputs: {image: '{{ inputs.photo }}'}}",
            (
                '7:40 unknown-backend: step "a" runs on gpu, but there is no such backend\n'
                "  hint: it is a URL, or a name under [tool.comfypipe.backends]"
            ),
        ),
    ],
)
def test_what_is_wrong_with_a_step_is_told(tmp_path: Path, text: str, expected: str) -> None:
    """Each way to get a step wrong is found before anything runs, at the place in the pipeline's manifest."""
    error = pipeline_error(tmp_path, text, INPUTS)
    assert [f"manifests/p.yaml:{expected}"] == told(error.diagnostics)


CUT = "- {id: cut, workflow: cutout, inputs: {image: assets/photo.png}}\n"
WORDS = "- {id: words, workflow: caption, inputs: {image: assets/photo.png}}\n"
FAN = "- {id: fan, workflow: cutout, for_each: [1, 2], inputs: {image: assets/photo.png}}\n"


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        (
            CUT,
            "- {id: b, workflow: cutout, inputs: {image: assets/photo.png, size: '{{ steps.cut.outputs.image }}'}}",
            '5:71 bad-input: step "b": input size takes an integer, not an image',
        ),
        (
            WORDS,
            "- {id: b, workflow: cutout, inputs: {image: '{{ steps.words.outputs.text }}'}}",
            '5:47 bad-input: step "b": input image takes an image, not the text "placeholder"',
        ),
        (
            WORDS,
            "- {id: b, workflow: cutout, inputs: {image: assets/photo.png, size: '{{ steps.words.outputs.text }}'}}",
            '5:71 bad-input: step "b": input size takes an integer, not the text "placeholder"',
        ),
        (
            FAN,
            "- {id: b, workflow: cutout, inputs: {image: '{{ steps.fan.outputs.image }}'}}",
            (
                '5:47 bad-input: step "b": input image takes an image, not a list of 2\n  hint: to run the step once '
                'for each: for_each: "{{ steps.fan.outputs.image }}", and here "{{ item }}"'
            ),
        ),
        (
            FAN.replace("[1, 2]", "[1, 2, 3, 4]"),
            "- {id: b, workflow: sheet, inputs: {images: '{{ steps.fan.outputs.image }}'}}",
            '5:47 bad-input: step "b": input images takes at most 3 items, not 4',
        ),
        (
            CUT,
            "- {id: b, workflow: sheet, inputs: {images: assets/photo.png, title: 'of {{ steps.cut.outputs.image }}'}}",
            ('5:72 bad-expression: step "b": an image cannot stand inside text\n  hint: only text and numbers can'),
        ),
    ],
)
def test_what_steps_give_must_fit_what_others_take(tmp_path: Path, before: str, text: str, expected: str) -> None:
    """Outputs have types before they exist: what cannot fit is told before the first step runs."""
    error = pipeline_error(tmp_path, before + text)
    assert [f"manifests/p.yaml:{expected}"] == told(error.diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        # Text from a node may turn out to be one of the choices; a number may turn out to be in range.
        WORDS
        + "- {id: b, workflow: recolour, inputs: {image: assets/photo.png, colour: '{{ steps.words.outputs.text }}'}}",
        WORDS
        + "- {id: b, workflow: cutout, inputs: {image: assets/photo.png, size: '{{ steps.words.outputs.count }}'}}",
        WORDS
        + "- {id: b, workflow: cutout, inputs: {image: assets/photo.png, "
        + "size: '{{ steps.words.outputs.text.split(\",\")[3] | int }}'}}",
        # A node may save one picture or several.
        CUT + "- {id: b, workflow: cutout, for_each: '{{ steps.cut.outputs.image }}', inputs: {image: '{{ item }}'}}",
        CUT + "- {id: b, workflow: sheet, inputs: {images: '{{ steps.cut.outputs.image }}'}}",
        # Nothing is known of what is computed from what steps give.
        WORDS
        + "- {id: b, workflow: cutout, for_each: '{{ steps.words.outputs.text.split(\" \")[5:7] }}', "
        + "inputs: {image: assets/photo.png}}",
        FAN + "- {id: b, workflow: sheet, inputs: {images: '{{ steps.fan.outputs.image[:1] }}', title: null}}",
    ],
)
def test_what_only_a_run_can_tell_is_not_told(tmp_path: Path, text: str) -> None:
    """A value that may turn out right does not keep a pipeline from running."""
    assert 2 == len(plan(tmp_path, "p", changes={"manifests/p.yaml": steps(text)}).steps)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (
            "x: '{{ steps.cutt.outputs.image }}'",
            (
                '6:6 reference-unknown: output "x" reads steps.cutt.outputs.image\n'
                "  hint: did you mean steps.cut.outputs.image?"
            ),
        ),
        (
            "x: 'of {{ steps.cut.outputs.image }}'",
            '6:6 bad-expression: output "x": an image cannot stand inside text\n  hint: only text and numbers can',
        ),
        (
            "x: '{{ 1 // 0 }}'",
            '6:6 bad-expression: output "x": {{ 1 // 0 }} has no value: integer division or modulo by zero',
        ),
    ],
)
def test_what_is_wrong_with_an_output_is_told_before_the_run(tmp_path: Path, outputs: str, expected: str) -> None:
    """An output that could not be read in the end is told in the beginning."""
    error = pipeline_error(tmp_path, CUT, outputs=outputs)
    assert [f"manifests/p.yaml:{expected}"] == told(error.diagnostics)


def test_all_that_is_wrong_with_a_pipeline_comes_in_one_error(tmp_path: Path) -> None:
    """Structure, values and prompts of all steps are looked at in one pass."""
    text = """
        - {id: a, workflow: nothing}
        - {id: b, workflow: cutout, inputs: {image: "{{ steps.x.outputs.y }}", size: 1000}}
        - {id: c, workflow: cutout, inputs: {image: assets/photo.png, size: huge}}
        """
    error = pipeline_error(tmp_path, text)
    assert [
        ("unknown-workflow", "manifests/p.yaml"),
        ("reference-unknown", "manifests/p.yaml"),
        ("value-bigger-than-max", "workflows/cutout.json.j2"),
        ("value-bigger-than-max", "workflows/cutout.json.j2"),
        ("bad-input", "manifests/p.yaml"),
    ] == [(each.code, each.source.path if each.source else None) for each in error.diagnostics]
    assert 'step "a" runs nothing, but there is no such workflow (and 4 more)' == error.message
    assert error.to_json()["diagnostics"] == [each.to_json() for each in error.diagnostics]


def test_a_step_of_a_broken_workflow_is_told(tmp_path: Path) -> None:
    """A pipeline over a manifest that cannot be read says which, and how to see why."""
    changes = {
        "manifests/p.yaml": steps("- {id: a, workflow: sheet}"),
        "manifests/sheet.yaml": "kind: Workflow",
    }
    with pytest.raises(PlanError) as caught:
        plan(tmp_path, "p", changes=changes)
    assert (
        'manifests/p.yaml:4:23 step "a" runs sheet, whose manifest cannot be used\n'
        "  hint: `comfypipe validate sheet` says why"
    ) == str(caught.value)


def test_a_broken_manifest_is_told_whole(tmp_path: Path) -> None:
    """Running what cannot be read tells every finding of its manifest."""
    with pytest.raises(ManifestInvalid):
        plan(tmp_path, "sheet", changes={"manifests/sheet.yaml": "kind: Workflow"})


def test_every_item_of_a_known_list_is_looked_at(tmp_path: Path) -> None:
    """However long the list, the first value that does not fit is told before the run."""
    text = """
        - id: a
          workflow: cutout
          for_each: "{{ inputs.sizes }}"
          inputs: {image: assets/photo.png, size: "{{ item }}"}
        """
    sizes = [64] * 100 + [5, 6]
    error = pipeline_error(tmp_path, text, f"sizes: {{type: list, items: {{type: integer}}, default: {sizes}}}")
    assert ['step "a": input size takes at least 16, not 5'] == [each.message for each in error.diagnostics]


# Digests


def digest(root: Path, name: str = "card", given: Mapping[str, object] | None = None, **more: object) -> str:
    """Return the digest of a plan of the project with the pipeline."""
    changes = {"manifests/card.yaml": PIPELINE, **{str(key): str(value) for key, value in more.items()}}
    if root.exists():
        shutil.rmtree(root)
    return plan(root, name, given, changes=changes).digest


def test_the_digest_is_the_same_on_every_machine(tmp_path: Path) -> None:
    """Where the project lies, and what the clock says, is no part of a plan's name."""
    assert digest(tmp_path / "a") == digest(tmp_path / "elsewhere" / "b")


def test_the_digest_is_stable_over_versions(tmp_path: Path) -> None:
    """The name of a job changes only on purpose: stored results would be lost."""
    found = plan(tmp_path, "caption", {"image": "assets/photo.png"})
    sha = hashlib.sha256(b"photo").hexdigest()
    name = f"comfypipe/{sha[:16]}/photo.png"
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}, "_meta": {"title": "Caption"}},
    }
    job = {
        "prompt": prompt,
        "files": {f"input/{name}": sha},
        "models": {},
        "outputs": {"text": ["2", "text"], "count": ["2", "integer"]},
    }
    canonical = json.dumps(job, sort_keys=True, separators=(",", ":"))
    jobs = json.dumps({"jobs": [hashlib.sha256(canonical.encode()).hexdigest()]}, separators=(",", ":"))
    assert hashlib.sha256(jobs.encode()).hexdigest() == found.digest


@pytest.mark.parametrize(
    "change",
    [
        {"assets/photo.png": "another photo"},
        {"assets/logo.png": "another logo"},
        {"workflows/sheet.json.j2": FILES["workflows/sheet.json.j2"].replace('"sheet"', '"sheets"')},
        {"manifests/card.yaml": PIPELINE.replace("size: 256", "size: 255")},
        {"manifests/card.yaml": PIPELINE.replace("[red, blue]", "[red, green]")},
        {"manifests/card.yaml": PIPELINE.replace("| length }} colours", "| length }} colors")},
    ],
)
def test_the_digest_changes_with_the_content(tmp_path: Path, change: dict[str, str]) -> None:
    """Another file, template, value or expression makes another plan."""
    before = plan(tmp_path / "a", "card", changes={"manifests/card.yaml": PIPELINE}, object_info=None).digest
    after = plan(tmp_path / "b", "card", changes={"manifests/card.yaml": PIPELINE, **change}, object_info=None).digest
    assert before != after


@pytest.mark.parametrize(
    "change",
    [
        {"manifests/card.yaml": PIPELINE.replace("kind: Pipeline", "kind: Pipeline\n    description: A card")},
        {"manifests/cutout.yaml": CUTOUT.replace("maximum: 1024", "maximum: 999")},
        {"assets/unused.png": "x"},
    ],
)
def test_the_digest_does_not_change_with_anything_else(tmp_path: Path, change: dict[str, str]) -> None:
    """Descriptions, limits and files that nothing reads are no part of a plan's name."""
    before = plan(tmp_path / "a", "card", changes={"manifests/card.yaml": PIPELINE}).digest
    assert before == plan(tmp_path / "b", "card", changes={"manifests/card.yaml": PIPELINE, **change}).digest


def test_drawn_seeds_are_part_of_the_digest_and_can_be_given_again(tmp_path: Path) -> None:
    """A plan that was drawn is built again, to the digest, from what was recorded of it."""
    changes = {"manifests/card.yaml": PIPELINE}
    first = plan(tmp_path, "card", changes=changes, seed=100)
    assert first.digest != plan(tmp_path, "card", changes=changes, seed=200).digest
    assert first.seed is not None
    assert first.digest == plan(tmp_path, "card", changes=changes, seed=first.seed).digest
