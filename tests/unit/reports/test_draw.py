"""Drawings of prompts, workflows and pipelines."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe._types import JSON, JSONObject
from comfypipe.manifest.load import load_manifest
from comfypipe.project import ProjectLayout
from comfypipe.prompt.bind import Target
from comfypipe.reports.draw import draw_manifest, draw_prompt
from comfypipe.reports.draw_mermaid import to_mermaid
from comfypipe.reports.draw_svg import to_svg
from comfypipe.reports.draw_tree import to_tree
from comfypipe.reports.drawing import Arrow, Box, Drawing, layers

PROMPT: JSONObject = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}, "_meta": {"title": "subject"}},
    "3": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "positive": ["2", 0], "seed": 1, "other": ["9", 0]}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
}
DRAWING = draw_prompt(
    PROMPT, "x", inputs={Target("2", "text"): "prompt", Target("3", "seed"): "seed"}, outputs={"image": "4"}
)


def test_a_prompt_is_boxes_and_arrows_with_marks() -> None:
    """Inputs, models and outputs stand at the nodes that they belong to; links to nowhere are left out."""
    assert (
        Drawing(
            "x",
            (
                Box(
                    "1",
                    "CheckpointLoaderSimple",
                    "CheckpointLoaderSimple",
                    models=("models/checkpoints/a.safetensors",),
                ),
                Box("2", "subject", "CLIPTextEncode", inputs=("prompt",)),
                Box("3", "KSampler", "KSampler", inputs=("seed",)),
                Box("4", "SaveImage", "SaveImage", outputs=("image",)),
            ),
            (
                Arrow("1", "2", "clip"),
                Arrow("1", "3", "model"),
                Arrow("2", "3", "positive"),
                Arrow("3", "4", "images"),
            ),
        )
        == DRAWING
    )


def test_the_terminal_shows_a_tree_from_the_end() -> None:
    """What is read twice is written out once."""
    assert to_tree(DRAWING) == (
        "4 SaveImage  ◂ image\n"
        "└─ images: 3 KSampler  ▸ seed\n"
        "   ├─ model: 1 CheckpointLoaderSimple  ◆ models/checkpoints/a.safetensors\n"
        "   └─ positive: 2 subject [CLIPTextEncode]  ▸ prompt\n"
        "      └─ clip: 1 CheckpointLoaderSimple (above)\n"
    )


def test_mermaid_gets_a_flowchart() -> None:
    """With classes for what is marked."""
    assert to_mermaid(DRAWING) == (
        "flowchart LR\n"
        '  n0["<b>1 CheckpointLoaderSimple</b><br/>◆ models/checkpoints/a.safetensors"]\n'
        '  n1["<b>2 subject</b><br/><i>CLIPTextEncode</i><br/>▸ prompt"]\n'
        '  n2["<b>3 KSampler</b><br/>▸ seed"]\n'
        '  n3["<b>4 SaveImage</b><br/>◂ image"]\n'
        '  n0 -->|"clip"| n1\n'
        '  n0 -->|"model"| n2\n'
        '  n1 -->|"positive"| n2\n'
        '  n2 -->|"images"| n3\n'
        "  classDef input stroke:#0a58ca,stroke-width:2px\n"
        "  class n1,n2 input\n"
        "  classDef model stroke:#9a5b00,stroke-width:2px\n"
        "  class n0 model\n"
        "  classDef output stroke:#137333,stroke-width:3px\n"
        "  class n3 output\n"
    )


def test_svg_has_a_box_for_each_node_and_a_path_for_each_link() -> None:
    """Boxes lie from left to right, and none over another."""
    root = ET.fromstring(to_svg(DRAWING))  # noqa: S314  our own text
    boxes = [each for each in root.iter() if each.tag.endswith("rect")]
    paths = [each for each in root.iter() if each.tag.endswith("path")]
    texts = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert (4, 4) == (len(boxes), len(paths))
    assert ["box has-model", "box has-input", "box has-input", "box has-output"] == [
        each.get("class") for each in boxes
    ]
    assert {"▸ prompt", "▸ seed", "◂ image", "◆ models/checkpoints/a.safetensors"} <= set(texts)
    ends = [float(each.get("x", "0")) + float(each.get("width", "0")) for each in boxes]
    assert all(end < float(after.get("x", "0")) for end, after in zip(ends, boxes[1:], strict=False))


def test_layers_come_after_what_they_read_even_in_circles() -> None:
    """An arrow that would close a circle does not count; long chains meet no limit."""
    boxes = tuple(Box(str(at), "A", "A") for at in range(5000))
    arrows = (*(Arrow(str(at), str(at + 1), "") for at in range(4999)), Arrow("4999", "0", ""))
    found = layers(Drawing("x", boxes, arrows))
    assert 5000 == len(found)
    assert 5000 == to_tree(Drawing("x", boxes, arrows)).count(" A\n") + to_tree(Drawing("x", boxes, arrows)).count("A:")


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=3),
        st.fixed_dictionaries(
            {
                "class_type": st.text(max_size=60),
                "inputs": st.dictionaries(
                    st.text(max_size=3), st.tuples(st.text(max_size=3), st.integers(0, 2)).map(list)
                ),
                "_meta": st.fixed_dictionaries({"title": st.text(max_size=60)}),
            }
        ),
        max_size=6,
    )
)
def test_any_prompt_can_be_drawn(prompt: dict[str, JSON]) -> None:
    """Whatever its texts hold: XML stays XML, a line stays a line."""
    drawing = draw_prompt(prompt, "x")
    ET.fromstring(to_svg(drawing))  # noqa: S314  our own text
    chart = to_mermaid(drawing).split("\n")
    assert len(chart) == 2 + len(drawing.boxes) + len(drawing.arrows)
    lines = to_tree(drawing).split("\n")[:-1]
    assert len(lines) >= len(drawing.boxes)
    assert all(each.isprintable() for each in lines)


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    """Return a project with a template, an export and a pipeline."""
    (tmp_path / "pyproject.toml").write_text("[tool.comfypipe]\n")
    for folder in ("workflows", "manifests"):
        (tmp_path / folder).mkdir()
    (tmp_path / "workflows" / "t.json.j2").write_text(
        '{"1": {"class_type": "LoadImage", "inputs": {"image": {{ photo or "x.png" }}}},\n'
        ' "2": {"class_type": "Blend", "inputs": {"image": ["1", 0], "mode": {{ mode }}, "width": {{ size }}}},\n'
        ' "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "{{ size }}"}}}'
    )
    (tmp_path / "workflows" / "e.json").write_text(
        '{"1": {"class_type": "UNETLoader", "inputs": {"unet_name": "a.sft", "seed": 1}, "_meta": {"title": "Load"}}}'
    )
    manifests = {
        "t": "workflow: workflows/t.json.j2\n"
        "inputs: {photo: {type: image, required: false}, size: {type: integer, default: 8},"
        " mode: {type: choice, choices: [a, b]}}\noutputs: {image: {type: image, node: '3'}}\n",
        "e": "workflow: workflows/e.json\ninputs: {seed: {type: seed, bind: Load.seed}}\n"
        "models: [{path: models/unet/a.sft}]\n",
        "p": "inputs: {photos: {type: list, items: {type: image}}}\nsteps:\n"
        "  - {id: one, workflow: t, for_each: '{{ inputs.photos }}', inputs: {photo: '{{ item }}'}}\n"
        "  - {id: two, workflow: t, when: true, inputs: {photo: '{{ steps.one.outputs.image[0] }}'}}\n"
        "outputs: {image: '{{ steps.two.outputs.image }}'}\n",
    }
    for name, text in manifests.items():
        kind = "Pipeline" if name == "p" else "Workflow"
        (tmp_path / "manifests" / f"{name}.yaml").write_text(
            f"apiVersion: comfypipe/v1\nkind: {kind}\nname: {name}\n{text}"
        )
    return ProjectLayout.find(tmp_path)


def drawn(layout: ProjectLayout, name: str) -> str:
    """Return a manifest's drawing as a tree."""
    return to_tree(draw_manifest(load_manifest(layout.manifests / f"{name}.yaml", name), layout))


def test_a_templates_inputs_stand_where_they_change_something(layout: ProjectLayout) -> None:
    """Also those that have no default, and those that are read twice."""
    assert drawn(layout, "t") == (
        "3 SaveImage  ▸ size  ◂ image\n└─ images: 2 Blend  ▸ size, mode\n   └─ image: 1 LoadImage  ▸ photo\n"
    )


def test_an_exports_inputs_stand_where_they_are_bound(layout: ProjectLayout) -> None:
    """Models are called as the manifest calls them."""
    assert drawn(layout, "e") == "1 Load [UNETLoader]  ▸ seed  ◆ models/unet/a.sft\n"


def test_a_pipeline_is_its_steps(layout: ProjectLayout) -> None:
    """With what each reads, and which fan out or may be skipped."""
    assert drawn(layout, "p") == ("two (when) [t]  ◂ image\n└─ image: one (for each) [t]  ▸ photos\n")
