import json
from pathlib import Path

import pytest
from tests.unit.plan.projects import OFFERED, PIPELINE, checked, steps, told, write

from comfypipe.errors import UsageError
from comfypipe.plan.check import check
from comfypipe.plan.library import load_library
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo


def test_a_good_project_gives_no_findings(tmp_path: Path) -> None:
    """Nothing is said of a project in which nothing is wrong, and all classes were looked at."""
    library, layout = write(tmp_path, {"manifests/card.yaml": PIPELINE})
    found = check(library, layout, None, OFFERED)
    assert ((), {}) == (found.diagnostics, found.unchecked)


def test_classes_that_nothing_is_known_of_are_named(tmp_path: Path) -> None:
    """What the catalog does not hold is listed for each workflow, and is no error."""
    library, layout = write(tmp_path)
    some = ObjectInfo({name: OFFERED.to_json()[name] for name in ("LoadImage", "ImageScale")})
    found = check(library, layout, None, some)
    assert (
        (),
        {"caption": ("PreviewAny",), "cutout": ("SaveImage",), "recolour": ("SaveImage",), "sheet": ("SaveImage",)},
    ) == (found.diagnostics, found.unchecked)


def test_without_a_catalog_all_classes_are_named(tmp_path: Path) -> None:
    """The structure is checked all the same."""
    library, layout = write(tmp_path)
    found = check(library, layout, ["cutout"], None)
    assert ((), {"cutout": ("ImageScale", "LoadImage", "SaveImage")}) == (found.diagnostics, found.unchecked)


def test_an_unknown_name_is_told_with_the_closest(tmp_path: Path) -> None:
    """A name that is none gives a suggestion."""
    library, layout = write(tmp_path)
    with pytest.raises(UsageError) as caught:
        check(library, layout, ["recolor"], None)
    assert 'there is no workflow or pipeline "recolor"\n  hint: did you mean recolour?' == str(caught.value)


def test_only_what_is_named_is_checked(tmp_path: Path) -> None:
    """Findings of other manifests are not told."""
    library, layout = write(tmp_path, {"manifests/broken.yaml": "nonsense", "workflows/sheet.json.j2": None})
    assert () == check(library, layout, ["cutout"], OFFERED).diagnostics


def test_a_broken_manifest_is_told_when_it_is_named(tmp_path: Path) -> None:
    """The findings of a manifest that cannot be read are its check."""
    library, layout = write(tmp_path, {"manifests/broken.yaml": "apiVersion: comfypipe/v1\nkind: Workflow\n"})
    expected = (
        "manifests/broken.yaml:1:1 missing-key: the manifest lacks workflow\n"
        "  hint: The template (.json.j2) or export (.json), relative to the project's root."
    )
    assert [expected] == told(check(library, layout, ["broken"], None).diagnostics)


def test_all_findings_come_in_one_pass(tmp_path: Path) -> None:
    """Broken manifests, templates, prompts and pipelines are told together, by file and line, each once."""
    found = checked(
        tmp_path,
        {
            "manifests/broken.yaml": "apiVersion: comfypipe/v1\nkind: Workflow\nworkflow: a.json.j2\nnme: x\n",
            "workflows/cutout.json.j2": '{"1": {"class_type": "Save", "inputs": {"x": {{ sise }} } } }',
            "manifests/pipe.yaml": steps(
                """
            - {id: a, workflow: recolour, inputs: {image: "{{ steps.b.outputs.imag }}"}}
            - {id: b, workflow: cutout, inputs: {image: assets/photo.png}}
            """
            ),
        },
    )
    assert [
        'manifests/broken.yaml:4:1 unknown-key: the manifest has no key "nme"\n  hint: did you mean name?',
        (
            "manifests/cutout.yaml:5:3 warning unused-input: input image of cutout is never used\n"
            "  hint: workflows/cutout.json.j2 does not read it"
        ),
        (
            "manifests/cutout.yaml:6:3 warning unused-input: input size of cutout is never used\n"
            "  hint: workflows/cutout.json.j2 does not read it"
        ),
        (
            'manifests/pipe.yaml:4:49 reference-unknown: step "a" reads steps.b.outputs.imag\n'
            "  hint: did you mean steps.b.outputs.image?"
        ),
        "workflows/cutout.json.j2:1:1 undefined-name: 'sise' is undefined\n  hint: did you mean size?",
    ] == found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"workflows/cutout.json.j2": None},
            "manifests/cutout.yaml:3:11 missing-file: the template workflows/cutout.json.j2 does not exist",
        ),
        (
            {"workflows/cutout.json.j2": None, "workflows/cut_out.json.j2": "{}"},
            (
                "manifests/cutout.yaml:3:11 missing-file: the template workflows/cutout.json.j2 does not exist\n"
                "  hint: did you mean workflows/cut_out.json.j2?"
            ),
        ),
        (
            {"assets/logo.png": None},
            "manifests/sheet.yaml:8:25 missing-file: the file assets/logo.png does not exist",
        ),
    ],
)
def test_files_of_the_project_must_be_there(tmp_path: Path, changes: dict[str, str | None], expected: str) -> None:
    """A template or an asset that is missing is told at the manifest that names it."""
    assert [expected] == checked(tmp_path, changes)


def workflow(inputs: str, outputs: str = "", name: str = "w.json.j2") -> str:
    """Return a workflow manifest with these inputs, one a line, which begin in line 5."""
    text = f"apiVersion: comfypipe/v1\nkind: Workflow\nworkflow: workflows/{name}\ninputs:\n"
    lines = [f"  {line.strip()}\n" for line in inputs.strip().splitlines()]
    return text + "".join(lines) + (f"outputs:\n  {outputs}\n" if outputs else "")


SAVE = '{"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}, "9": {"class_type": "SaveImage", "inputs": '


@pytest.mark.parametrize(
    ("inputs", "template", "expected"),
    [
        (
            "a: {type: image, default: assets/foto.png}",
            '{"9": {"class_type": "X", "inputs": {"a": {{ a }}}}}',
            [
                (
                    "manifests/w.yaml:5:29 missing-file: inputs.a.default reads assets/foto.png, which does not exist\n"
                    "  hint: did you mean photo.png?"
                )
            ],
        ),
        (
            "a: {type: json}",
            '{"9": {"class_type": "X", "inputs": {"a": {{ a.b }} }}}',
            [
                (
                    "manifests/w.yaml:5:3 warning not-rendered: w was not rendered: no value is known that a takes: "
                    "give it a default"
                )
            ],
        ),
        (
            'a: {type: string, pattern: "[A-Z]{7}"}',
            '{"9": {"class_type": "X", "inputs": {"a": {{ a }}}}}',
            [
                (
                    "manifests/w.yaml:5:3 warning not-rendered: w was not rendered: no value is known that a takes: "
                    "give it a default"
                )
            ],
        ),
        (
            "a: {type: string, default: x}",
            '{% if a == "y" %}{{ b.c }}{% endif %}{"9": {"class_type": "X", "inputs": {"a": {{ a }}}}}',
            [
                (
                    'workflows/w.json.j2:1:21 undefined-name: the template reads "b", which is no input\n'
                    "  hint: inputs are a"
                )
            ],
        ),
        (
            "a: {type: string, default: x}",
            '{"9": {"class_type": "X", "inputs": {"a": {{ a }}',
            None,
        ),
        (
            "a: {type: boolean, default: false}",
            SAVE + '{"images": ["{% if a %}7{% else %}1{% endif %}", 0], "filename_prefix": "x"}}}',
            None,
        ),
        (
            "a: {type: image, required: false}",
            SAVE + '{"images": ["{% if a %}7{% else %}1{% endif %}", 0], "filename_prefix": "x"}}}',
            None,
        ),
        (
            "a: {type: choice, choices: [x, y], default: x}",
            SAVE + '{"images": ["{% if a == "y" %}7{% else %}1{% endif %}", 0], "filename_prefix": "x"}}}',
            None,
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_told(
    tmp_path: Path, inputs: str, template: str, expected: list[str] | None
) -> None:
    """Templates are rendered with defaults, placeholders, and each thing that could be otherwise."""
    found = checked(
        tmp_path,
        {"manifests/w.yaml": workflow(inputs), "workflows/w.json.j2": template},
        None if "X" in template else OFFERED,
    )
    if expected is None:
        assert [True] == [each.startswith("workflows/w.json.j2:1:") for each in found]
    else:
        assert expected == found


def test_the_circumstances_of_a_finding_are_told(tmp_path: Path) -> None:
    """What goes wrong only with another choice, preset or switch says with which."""
    found = checked(
        tmp_path,
        {
            "manifests/w.yaml": workflow(
                """
            method: {type: choice, choices: [area, arae], default: area}
            width: {type: integer, default: 8}
            """
            )
            + "presets:\n  huge: {width: 900}\n",
            "workflows/w.json.j2": (
                '{"1": {"class_type": "LoadImage", "inputs": {"image": "a"}},\n'
                '"2": {"class_type": "ImageScale", "inputs": {"image": ["1", 0], "crop": "disabled", "height": 8,\n'
                '"upscale_method": {{ method }},\n'
                '"width": {{ width }}}},\n'
                '"9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}}'
            ),
        },
    )
    assert [
        (
            "workflows/w.json.j2:3:1 value-not-in-list: node 2 (ImageScale): Value not in list: upscale_method: 'arae' "
            "not in ['nearest-exact', 'area'] (with method: arae)\n  hint: did you mean area?"
        ),
        (
            "workflows/w.json.j2:4:1 value-bigger-than-max: node 2 (ImageScale): Value 900 bigger than max of 800: "
            "width (with preset huge)"
        ),
    ] == found


def test_placeholders_are_not_blamed(tmp_path: Path) -> None:
    """An input that nobody has given yet is not called out of range, nor is what is computed from it."""
    found = checked(
        tmp_path,
        {
            "manifests/w.yaml": workflow(
                """
            method: {type: string}
            width: {type: integer, minimum: 900}
            """
            ),
            "workflows/w.json.j2": (
                '{"1": {"class_type": "LoadImage", "inputs": {"image": "a"}},\n'
                '"2": {"class_type": "ImageScale", "inputs": {"image": ["1", 0], "crop": "disabled", "height": 8,\n'
                '"upscale_method": {{ method }}, "width": {{ width * 2 }}}},\n'
                '"9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}}}'
            ),
        },
    )
    assert [] == found


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        (
            'image: {type: image, node: "7"}',
            'manifests/w.yaml:7:30 unknown-node: outputs.image: no node has the id or title "7"',
        ),
        (
            "image: {type: image, node: Sav}",
            (
                'manifests/w.yaml:7:30 unknown-node: outputs.image: no node has the id or title "Sav"\n'
                "  hint: did you mean Save?"
            ),
        ),
        (
            'image: {type: image, node: "1"}',
            (
                "manifests/w.yaml:7:30 bad-output: outputs.image: node 1 (LoadImage) saves nothing\n"
                "  hint: nodes that save are Save"
            ),
        ),
    ],
)
def test_outputs_name_nodes_that_save(tmp_path: Path, outputs: str, expected: str) -> None:
    """An output is a node of the prompt, by id or title, and one that saves."""
    template = (
        '{"1": {"class_type": "LoadImage", "inputs": {"image": {{ a }}}}, "9": {"class_type": "SaveImage", '
        '"inputs": {"images": ["1", 0], "filename_prefix": "x"}, "_meta": {"title": "Save"}}}'
    )
    assert [expected] == checked(
        tmp_path, {"manifests/w.yaml": workflow("a: {type: image}", outputs), "workflows/w.json.j2": template}
    )


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        (
            'bind: "6.inputs.text"',
            ('manifests/w.yaml:5:39 bad-bind: inputs.a.bind: "6.inputs.text": no node has the id or title "6"'),
        ),
        (
            'bind: ["1.image", "Caption.sorce"]',
            (
                'manifests/w.yaml:5:51 bad-bind: inputs.a.bind: "Caption.sorce": node 2 has no input "sorce"\n'
                "  hint: did you mean source?"
            ),
        ),
        (
            "required: false",
            (
                "manifests/w.yaml:5:3 warning unused-input: input a of w is never used\n"
                '  hint: say where it goes: bind: "NODE.inputs.NAME"'
            ),
        ),
    ],
)
def test_inputs_are_bound_to_nodes_of_an_export(tmp_path: Path, bind: str, expected: str) -> None:
    """A binding leads to an input of a node, and an input of an export is bound."""
    text = workflow(f"a: {{type: string, default: x, {bind}}}", name="caption.json")
    assert [expected] == checked(tmp_path, {"manifests/w.yaml": text})


def test_a_declared_model_that_the_server_lacks_is_told(tmp_path: Path) -> None:
    """What the manifest declares and the server does not list is a warning: the manifest says where to get it."""
    text = workflow("a: {type: image}") + "models: [{path: models/upscale_models/x/big.safetensors}]\n"
    template = (
        '{"1": {"class_type": "Load", "inputs": {"name": "x/big.safetensors", "image": {{ a }}}},\n'
        '"9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}'
    )
    load = {"input": {"required": {"name": [["small.safetensors"]]}}, "output": ["IMAGE"]}
    offered = ObjectInfo({**OFFERED.to_json(), "Load": load})
    expected = (
        "workflows/w.json.j2:1:41 warning missing-model: node 1 (Load): models/upscale_models/x/big.safetensors is not "
        "there\n  hint: the server has no models/upscale_models/x/big.safetensors, "
        "which the manifest declares: put it there"
    )
    assert [expected] == checked(tmp_path, {"manifests/w.yaml": text, "workflows/w.json.j2": template}, offered)


def test_a_template_without_an_output_node_is_told(tmp_path: Path) -> None:
    """A prompt that saves nothing is refused by every server, and here."""
    template = '{"1": {"class_type": "LoadImage", "inputs": {"image": {{ a }} } } }'
    found = checked(tmp_path, {"manifests/w.yaml": workflow("a: {type: image}"), "workflows/w.json.j2": template})
    expected = (
        "workflows/w.json.j2:1:1 prompt-no-outputs: Prompt has no outputs\n"
        "  hint: a prompt needs a node that saves or shows something, such as SaveImage"
    )
    assert [expected] == found


def test_pipelines_are_tried_with_their_presets(tmp_path: Path) -> None:
    """A preset of a pipeline that a step does not take is told, with the preset."""
    text = steps(
        "- {id: a, workflow: cutout, inputs: {image: assets/photo.png, size: '{{ inputs.size }}'}}\n",
        "size: {type: integer, default: 64}\n",
    )
    found = checked(tmp_path, {"manifests/p.yaml": text + "presets:\n  big: {size: 2048}\n"})
    expected = 'manifests/p.yaml:6:71 bad-input: step "a": input size takes at most 1024, not 2048 (with preset big)'
    assert [expected] == found


def test_an_input_that_no_step_reads_is_a_warning(tmp_path: Path) -> None:
    """A pipeline's input that leads nowhere is pointed out."""
    text = steps(
        "- {id: a, workflow: cutout, inputs: {image: assets/photo.png}}\n", "size: {type: integer, default: 64}\n"
    )
    expected = "manifests/p.yaml:4:3 warning unused-input: input size of p is never used\n  hint: no step reads it"
    assert [expected] == checked(tmp_path, {"manifests/p.yaml": text})


def test_the_repositorys_own_project_is_fine(root: Path, shared: Path) -> None:
    """The examples have no findings against a real server's catalog, but for models that it has not."""
    layout = ProjectLayout.find(root)
    offered = ObjectInfo(json.loads((shared / "protocols/recorded/object_info.json").read_text("utf-8")))
    found = check(load_library(layout), layout, None, offered)
    assert [] == [str(each) for each in found.diagnostics if each.code != "missing-model"]


def test_the_repositorys_own_project_is_fine_without_a_catalog(root: Path) -> None:
    """The examples have no findings in their structure."""
    layout = ProjectLayout.find(root)
    assert () == check(load_library(layout), layout, None, None).diagnostics
