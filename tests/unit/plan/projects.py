"""Small projects for tests of plans."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent
from types import MappingProxyType
from typing import TypeAlias

from comfypipe.diagnostics import Diagnostic
from comfypipe.plan.check import check
from comfypipe.plan.library import Library, load_library
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

CUTOUT = """
    apiVersion: comfypipe/v1
    kind: Workflow
    workflow: workflows/cutout.json.j2
    inputs:
      image: {type: image}
      size: {type: integer, default: 512, minimum: 16, maximum: 1024}
    outputs:
      image: {type: image, node: save}
    """

RECOLOUR = """
    apiVersion: comfypipe/v1
    kind: Workflow
    workflow: workflows/recolour.json.j2
    inputs:
      image: {type: image}
      colour: {type: choice, choices: [red, green, blue], default: red}
      seed: {type: seed}
    accelerator: [L4]
    retry: {attempts: 2}
    timeout_s: 60
    models:
      - {path: models/loras/ink.safetensors, sha256: "SHA"}
    outputs:
      image: {type: image, node: Saved}
    """.replace("SHA", "AB" * 32)

SHEET = """
    apiVersion: comfypipe/v1
    kind: Workflow
    workflow: workflows/sheet.json.j2
    inputs:
      images: {type: list, items: {type: image}, min_items: 1, max_items: 3}
      title: {type: string, required: false}
    files:
      input/brand/logo.png: assets/logo.png
    outputs:
      image: {type: image, node: save}
    """

CAPTION = """
    apiVersion: comfypipe/v1
    kind: Workflow
    workflow: workflows/caption.json
    inputs:
      image: {type: image, bind: "1.inputs.image"}
    outputs:
      text: {type: text, node: Caption}
      count: {type: integer, node: Caption}
    """

FILES = {
    "pyproject.toml": "[tool.comfypipe]\n",
    "assets/logo.png": "logo",
    "assets/photo.png": "photo",
    "manifests/cutout.yaml": CUTOUT,
    "workflows/cutout.json.j2": """
        {"load": {"class_type": "LoadImage", "inputs": {"image": {{ image }} } },
         "scale": {"class_type": "ImageScale", "inputs": {"image": ["load", 0], "upscale_method": "area",
            "width": {{ size }}, "height": {{ size }}, "crop": "disabled"} },
         "save": {"class_type": "SaveImage", "inputs": {"images": ["scale", 0], "filename_prefix": "cutout"} } }
        """,
    "manifests/recolour.yaml": RECOLOUR,
    "workflows/recolour.json.j2": """
        {"1": {"class_type": "LoadImage", "inputs": {"image": {{ image }} } },
         "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0],
            "filename_prefix": "{{ colour }}_{{ seed }}"}, "_meta": {"title": "Saved"} } }
        """,
    "manifests/sheet.yaml": SHEET,
    "workflows/sheet.json.j2": """
        {% for image in images %}
        {% if loop.first %} { {% endif %}
        "load_{{ loop.index }}": {"class_type": "LoadImage", "inputs": {"image": {{ image }} } },
        {% endfor %}
        "save": {"class_type": "SaveImage", "inputs": {"images": ["load_1", 0],
            "filename_prefix": {{ title or "sheet" }} } } }
        """,
    "manifests/caption.yaml": CAPTION,
    "workflows/caption.json": """
        {"1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
         "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}, "_meta": {"title": "Caption"}}}
        """,
}

OFFERED = ObjectInfo(
    {
        "LoadImage": {
            "input": {"required": {"image": [["example.png"], {"image_upload": True}]}},
            "output": ["IMAGE", "MASK"],
        },
        "ImageScale": {
            "input": {
                "required": {
                    "image": ["IMAGE"],
                    "upscale_method": [["nearest-exact", "area"]],
                    "width": ["INT", {"min": 0, "max": 800}],
                    "height": ["INT", {"min": 0, "max": 800}],
                    "crop": [["disabled", "center"]],
                }
            },
            "output": ["IMAGE"],
        },
        "SaveImage": {
            "input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}},
            "output": [],
            "output_node": True,
        },
        "PreviewAny": {"input": {"required": {"source": ["*", {}]}}, "output": [], "output_node": True},
    }
)
"""What a server offers that has all nodes of these projects."""

PIPELINE = """
    apiVersion: comfypipe/v1
    kind: Pipeline
    inputs:
      photo: {type: image, default: assets/photo.png}
      colours: {type: list, items: {type: string}, default: [red, blue]}
    steps:
      - id: sheet
        workflow: sheet
        inputs: {images: "{{ steps.variants.outputs.image }}", title: "{{ inputs.colours | length }} colours"}
      - id: variants
        workflow: recolour
        for_each: "{{ inputs.colours }}"
        inputs: {image: "{{ steps.cutout.outputs.image }}", colour: "{{ item }}"}
      - {id: cutout, workflow: cutout, inputs: {image: "{{ inputs.photo }}", size: 256}}
    outputs:
      sheet: "{{ steps.sheet.outputs.image }}"
      variants: "{{ steps.variants.outputs.image }}"
    """


Changes: TypeAlias = Mapping[str, str | None]
"""By path, what a file holds instead; None leaves it out."""


def write(root: Path, changes: Changes = MappingProxyType({})) -> tuple[Library, ProjectLayout]:
    """Write the project, changed, and read it."""
    for name, text in {**FILES, **changes}.items():
        if text is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    layout = ProjectLayout.find(root)
    return load_library(layout), layout


def steps(text: str, inputs: str = "", outputs: str = "") -> str:
    """Return a pipeline with these steps; the first, ``- id: …``, stands in line 4, or after the inputs."""
    parts = {"inputs": inputs, "steps": text, "outputs": outputs}
    body = [f"{name}:\n{indent(dedent(part).strip(), '  ')}\n" for name, part in parts.items() if part]
    return "apiVersion: comfypipe/v1\nkind: Pipeline\n" + "".join(body)


def told(found: tuple[Diagnostic, ...] | list[Diagnostic]) -> list[str]:
    """Return diagnostics as they are printed."""
    return [str(each) for each in found]


def checked(root: Path, changes: Changes, object_info: ObjectInfo | None = OFFERED) -> list[str]:
    """Return all that is wrong with a project."""
    library, layout = write(root, changes)
    return told(check(library, layout, None, object_info).diagnostics)
