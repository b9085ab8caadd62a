from pathlib import Path

import pytest
from tests.unit.manifest.reading import HEAD, PIPELINE, findings, pipeline, read, workflow

from comfypipe.diagnostics import Source
from comfypipe.errors import ManifestInvalid
from comfypipe.manifest.load import load_manifest
from comfypipe.manifest.schema import (
    ChoiceInput,
    CustomNodeSpec,
    ImageInput,
    IntegerInput,
    ListInput,
    ModelSpec,
    OutputSpec,
    PipelineSpec,
    RetrySpec,
    SeedInput,
    StepSpec,
    StringInput,
    WorkflowSpec,
)

PORTRAIT = """\
apiVersion: comfypipe/v1
kind: Workflow
name: portrait
description: A portrait from a line of text.
workflow: workflows/portrait.json.j2
inputs:
  subject:   {type: string, description: Who or what, max_length: 500}
  width:     {type: integer, default: 1024, minimum: 64, maximum: 4096, multiple_of: 8}
  sampler:   {type: choice, choices: [euler, dpmpp_2m], default: euler}
  seed:      {type: seed}
  reference: {type: image, required: false}
presets:
  draft: {width: 512}
models:
  - path: models/checkpoints/sd15.safetensors
    url: https://example.com/sd15.safetensors
files:
  input/logo.png: assets/logo.png
custom_nodes:
  - {id: comfyui-impact-pack, version: ">=8"}
accelerator: [L4, A100_40GB]
retry: {attempts: 2}
timeout_s: 900
outputs:
  image: {type: image, node: "9"}
tags: [marketing]
"""


def test_a_whole_workflow_is_read() -> None:
    """Every key of the contract's example arrives in the spec, typed."""
    assert (
        WorkflowSpec(
            api_version="comfypipe/v1",
            name="portrait",
            description="A portrait from a line of text.",
            workflow="workflows/portrait.json.j2",
            inputs={
                "subject": StringInput(description="Who or what", max_length=500),
                "width": IntegerInput(default=1024, minimum=64, maximum=4096, multiple_of=8),
                "sampler": ChoiceInput(choices=("euler", "dpmpp_2m"), default="euler"),
                "seed": SeedInput(),
                "reference": ImageInput(required=False),
            },
            presets={"draft": {"width": 512}},
            models=(ModelSpec(path="models/checkpoints/sd15.safetensors", url="https://example.com/sd15.safetensors"),),
            files={"input/logo.png": "assets/logo.png"},
            custom_nodes=(CustomNodeSpec(id="comfyui-impact-pack", version=">=8"),),
            accelerator=("L4", "A100_40GB"),
            retry=RetrySpec(attempts=2),
            timeout_s=900.0,
            outputs={"image": OutputSpec(type="image", node="9")},
            tags=("marketing",),
        )
        == read(PORTRAIT).spec
    )


def test_a_whole_pipeline_is_read() -> None:
    """Steps, fan-out, conditions and overrides arrive in the spec, typed."""
    text = """
        inputs:
          colours: {type: list, items: {type: string}, min_items: 1}
        steps:
          - id: variants
            workflow: recolour
            for_each: "{{ inputs.colours }}"
            when: "{{ inputs.colours | length > 1 }}"
            inputs: {colour: "{{ item }}", strength: 0.5, deep: {a: [1, null]}}
            backend: "simulate:"
            accelerator: [H100]
            retry: {attempts: 1}
            timeout_s: 30
          - {id: again, workflow: recolour, for_each: [1, 2], when: true}
        outputs:
          sheet: "{{ steps.variants.outputs.image }}"
        """
    assert PipelineSpec(
        api_version="comfypipe/v1",
        name="a",
        inputs={"colours": ListInput(items=StringInput(), min_items=1)},
        steps=(
            StepSpec(
                id="variants",
                workflow="recolour",
                for_each="{{ inputs.colours }}",
                when="{{ inputs.colours | length > 1 }}",
                inputs={"colour": "{{ item }}", "strength": 0.5, "deep": {"a": [1, None]}},
                backend="simulate:",
                accelerator=("H100",),
                retry=RetrySpec(attempts=1),
                timeout_s=30.0,
            ),
            StepSpec(id="again", workflow="recolour", for_each=(1, 2), when=True),
        ),
        outputs={"sheet": "{{ steps.variants.outputs.image }}"},
    ) == pipeline(text)


def test_kind_and_type_are_attributes() -> None:
    """What tags a struct in YAML can be asked of the struct."""
    spec = workflow("inputs: {a: {type: image}, b: {type: list, items: {type: seed}}}")
    assert ("Workflow", "image", "list") == (spec.kind, spec.inputs["a"].type, spec.inputs["b"].type)


def test_the_name_is_the_files_where_none_is_given() -> None:
    """A manifest without a name is called what its file is called."""
    manifest = read(HEAD, "upscale_4x.yaml")
    assert ("upscale_4x", "upscale_4x") == (manifest.name, manifest.spec.name)


def test_empty_optional_keys_take_their_defaults() -> None:
    """A key with nothing after it is as good as one that is left out."""
    assert workflow("") == workflow("inputs:\npresets:\nmodels:\nfiles:\ntimeout_s:\noutputs: ~\ntags:\n")


def test_sources_are_those_of_values_and_of_keys() -> None:
    """Any path of keys and indices has a place: the value's, the key's, or that of the nearest key above."""
    manifest = read(PORTRAIT)
    shown = "manifests/a.yaml"
    assert [
        Source(shown, 8, 39),
        Source(shown, 8, 30),
        Source(shown, 8, 3),
        Source(shown, 15, 11),
        Source(shown, 25, 3),
        Source(shown, 1, 1),
    ] == [
        manifest.source("inputs", "width", "default"),
        manifest.key_source("inputs", "width", "default"),
        manifest.source("inputs", "width", "absent", "deeper"),
        manifest.source("models", 0, "path"),
        manifest.key_source("outputs", "image", "absent"),
        manifest.source(),
    ]


def test_a_file_that_is_not_there_is_told() -> None:
    """A missing file is a diagnostic, like everything else that is wrong with a manifest."""
    with pytest.raises(ManifestInvalid) as caught:
        load_manifest(Path("absent.yaml"), "absent.yaml")
    assert "absent.yaml:1:1 missing-file: the file cannot be read: No such file or directory" == str(caught.value)


def test_a_file_that_is_not_utf_8_is_told_with_the_byte(tmp_path: Path) -> None:
    """The place of the first wrong byte is told."""
    path = tmp_path / "a.yaml"
    path.write_bytes(HEAD.encode() + b"description: caf\xe9\n")
    with pytest.raises(ManifestInvalid) as caught:
        load_manifest(path, "a.yaml")
    assert "a.yaml:4:17 yaml-syntax: the byte 0xE9 is not UTF-8" == str(caught.value)


def test_a_file_that_is_far_too_large_is_not_read_whole(tmp_path: Path) -> None:
    """A file of many megabytes is told by its size, not by where it was cut."""
    path = tmp_path / "a.yaml"
    path.write_bytes("\N{SNOWMAN}".encode() * (3 << 20))
    with pytest.raises(ManifestInvalid) as caught:
        load_manifest(path, "a.yaml")
    assert "a.yaml:1:1 too-large: the file has more than 1048576 characters" == str(caught.value)


def test_a_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    """What an editor on Windows saves is read like any other file."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + PORTRAIT.replace("\n", "\r\n").encode())
    assert read(PORTRAIT).spec == load_manifest(path, "a.yaml").spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[]",
            ["1:1 wrong-type: the manifest takes a mapping, not a list\n  hint: write KEY: VALUE, without dashes"],
        ),
        ("hello", ['1:1 wrong-type: the manifest takes a mapping, not the text "hello"']),
        (
            "kind: Workflow\n",
            [
                "1:1 missing-key: the manifest lacks apiVersion\n  hint: write apiVersion: comfypipe/v1",
                (
                    "1:1 missing-key: the manifest lacks workflow\n  hint: "
                    "The template (.json.j2) or export (.json), relative to the project's root."
                ),
            ],
        ),
        (
            HEAD.replace("Workflow", "Worklow"),
            ['2:7 unknown-kind: there is no kind "Worklow"\n  hint: did you mean Workflow?'],
        ),
        (
            HEAD.replace("kind: Workflow\n", ""),
            ["1:1 missing-key: the manifest lacks kind\n  hint: write kind: Workflow"],
        ),
        (
            PIPELINE.replace("kind: Pipeline\n", "") + "steps: [{id: a, workflow: b}]\n",
            ["1:1 missing-key: the manifest lacks kind\n  hint: write kind: Pipeline"],
        ),
        (
            HEAD.replace("v1", "v2"),
            ['1:13 bad-value: apiVersion does not take "comfypipe/v2"\n  hint: did you mean comfypipe/v1?'],
        ),
        (
            HEAD + "name: 2x\n",
            [
                (
                    '4:7 bad-name: name: "2x" cannot be a name\n'
                    "  hint: letters, digits, _ and -, beginning with a letter; at most 64"
                )
            ],
        ),
        (PIPELINE + "steps: []\n", ["3:8 bad-value: steps is empty\n  hint: it takes at least one"]),
    ],
)
def test_what_is_wrong_with_the_whole_is_told(text: str, expected: list[str]) -> None:
    """A manifest of the wrong shape is told so in one line for each finding, with what to write."""
    assert expected == findings(text)


def test_a_file_name_that_is_no_name_needs_one() -> None:
    """Without a name in the manifest, the file's must do as one."""
    with pytest.raises(ManifestInvalid) as caught:
        read(HEAD, "4x.yaml")
    assert (
        'manifests/4x.yaml:1:1 bad-name: the file\'s name "4x" cannot be a name\n'
        "  hint: set name in the manifest, or call the file otherwise"
    ) == str(caught.value)


def test_everything_is_told_in_one_pass() -> None:
    """Findings of syntax of keys, types, names and rules come together, in the order of the file."""
    text = """
        nme: x
        inputs:
          a: {type: integer, default: ten, min: 1}
          b: {type: strng}
        presets:
          p: {c: 1}
        retry: {attempts: 0}
        """
    assert [
        '4:1 unknown-key: the manifest has no key "nme"\n  hint: did you mean name?',
        '6:31 wrong-type: inputs.a.default takes an integer, not the text "ten"',
        '6:36 unknown-key: inputs.a has no key "min"\n  hint: did you mean minimum?',
        '7:13 unknown-type: inputs.b: there is no type "strng"\n  hint: did you mean string?',
        '9:7 unknown-input: presets.p.c: there is no input "c"\n  hint: inputs are a',
        "10:19 bad-value: retry.attempts takes at least 1, not 0",
    ] == findings(HEAD + text.lstrip("\n").replace("        ", ""))
