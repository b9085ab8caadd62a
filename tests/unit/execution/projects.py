"""Small projects whose workflows the folder backend understands."""

from pathlib import Path

from tests.unit.execution.folder_backend import FolderBackend
from tests.unit.execution.setting import IMPATIENT

from comfypipe.execution.project import Project
from comfypipe.project import ProjectLayout

FILES = {
    "pyproject.toml": "[tool.comfypipe]\n",
    # One picture of a subject; the seed is part of the prompt.
    "workflows/portrait.json.j2": """
        {"1": {"class_type": "SaveImage", "inputs": {
            "filename_prefix": "portrait", "subject": [{{ subject }}, {{ seed }}, "v1"], "count": {{ count }} } } }""",
    "manifests/portrait.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/portrait.json.j2
        inputs:
          subject: {type: string, default: a lighthouse}
          count: {type: integer, default: 1}
          seed: {type: seed}
        outputs:
          image: {type: image, node: "1"}
        """,
    # A picture made of another one.
    "workflows/recolour.json.j2": """
        {"1": {"class_type": "LoadImage", "inputs": {"image": {{ image }} } },
         "2": {"class_type": {{ "Fail" if colour == "broken" else "SaveImage" }}, "inputs": {
            "filename_prefix": "recoloured", "subject": {{ colour }} } } }""",
    "manifests/recolour.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/recolour.json.j2
        inputs:
          image: {type: image}
          colour: {type: string, default: red}
        outputs:
          image: {type: image, node: "2"}
        """,
    "workflows/sheet.json.j2": """
        { {% for image in images %}"{{ loop.index }}": {"class_type": "LoadImage", "inputs": {"image": {{ image }} } },
          {% endfor %}
          "sheet": {"class_type": "SaveImage", "inputs": {"filename_prefix": "sheet", "subject": {{ images }} } } }""",
    "manifests/sheet.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/sheet.json.j2
        inputs:
          images: {type: list, items: {type: image}}
        outputs:
          image: {type: image, node: sheet}
        """,
    "workflows/caption.json.j2": """
        {"1": {"class_type": "ShowText", "inputs": {"text": {{ text }} } } }""",
    "manifests/caption.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/caption.json.j2
        inputs:
          text: {type: string}
        outputs:
          said: {type: text, node: "1"}
        """,
    # Draw, recolour three times, gather on a sheet; a caption on the side, if wanted.
    "manifests/card.yaml": """
        apiVersion: comfypipe/v1
        kind: Pipeline
        inputs:
          subject: {type: string, default: a boat}
          seed: {type: seed}
          colours: {type: list, items: {type: string}, default: [red, green, blue]}
          caption: {type: boolean, default: false}
        steps:
          - {id: draw, workflow: portrait, inputs: {subject: "{{ inputs.subject }}", seed: "{{ inputs.seed }}"}}
          - id: variants
            workflow: recolour
            for_each: "{{ inputs.colours }}"
            inputs: {image: "{{ steps.draw.outputs.image }}", colour: "{{ item }}"}
          - {id: sheet, workflow: sheet, inputs: {images: "{{ steps.variants.outputs.image }}"}}
          - {id: words, workflow: caption, when: "{{ inputs.caption }}", inputs: {text: "{{ inputs.subject }}"}}
          - {id: again, workflow: caption, inputs: {text: "{{ steps.words.outputs.said }}"}}
        outputs:
          sheet: "{{ steps.sheet.outputs.image }}"
          variants: "{{ steps.variants.outputs.image }}"
          words: "{{ steps.again.outputs.said }}"
        """,
}


def make_project(root: Path) -> ProjectLayout:
    """Write the example project below *root*."""
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return ProjectLayout(root)


def open_project(root: Path, backend: FolderBackend) -> Project:
    """Open the project at *root*, with *backend* whatever backend it asks for."""
    return Project(ProjectLayout(root), opener=lambda _url, _layout: backend, patience=IMPATIENT)
