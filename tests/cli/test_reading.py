"""Commands that look and do not run: list, show, schema, render, validate."""

import json
import os
import re
from pathlib import Path

from tests.cli.conftest import Type


def test_list_names_what_there_is(examples: Path, typed: Type) -> None:
    """Pipelines come first, then workflows, each with its kind and description."""
    result = typed("list")
    assert 0 == result.status
    names = [line.split()[0] for line in result.out.splitlines()]
    assert ["product_card", "card", "contact_sheet", "cutout"] == names[:4]
    assert "Pipeline  One product photo becomes a contact sheet of cards" in result.out.splitlines()[0]


def test_list_as_json_holds_the_same(examples: Path, typed: Type) -> None:
    """``--json`` gives one document with a record for each manifest."""
    first = typed("list", "--json").document[0]
    assert {"name": "product_card", "kind": "Pipeline", "path": "manifests/product_card.yaml", "tags": ["example"]} == {
        key: first[key] for key in ("name", "kind", "path", "tags")
    }


def test_show_describes_a_workflow(examples: Path, typed: Type) -> None:
    """Inputs with types, defaults and limits; presets; where it runs; outputs."""
    result = typed("show", "recolour")
    assert 0 == result.status
    assert (
        """recolour  Workflow  manifests/recolour.yaml
Tints a cut-out picture, keeping its light and shade.

Inputs
  image     image   "assets/vase.png"  A picture with transparency
  colour    string  "#c8553d"          The tint, as in CSS; matches ^#[0-9a-fA-F]{6}$
  strength  number  0.9                How much of the tint is taken; from 0.0; to 1.0

Presets
  pastel  strength=0.45

Runs
  workflow  workflows/recolour.json.j2
  attempts  3
  timeout   3600 s

Outputs
  image  image  node save
"""
        == result.out
    )


def test_show_suggests_a_name(examples: Path, typed: Type) -> None:
    """An unknown name is a usage error with the closest one."""
    result = typed("show", "recolor")
    assert (2, "", 'there is no workflow or pipeline "recolor"\n  hint: did you mean recolour?\n') == (
        result.status,
        result.out,
        result.err,
    )


def test_schema_is_a_json_schema(here: Path, typed: Type) -> None:
    """``schema`` needs no project and prints a schema with both kinds."""
    result = typed("schema")
    assert 0 == result.status
    assert "https://json-schema.org/draft/2020-12/schema" == json.loads(result.out)["$schema"]


def test_render_prints_the_prompt(examples: Path, typed: Type) -> None:
    """The result is API-format JSON with the given inputs over the preset over the defaults."""
    prompt = typed("render", "recolour", "--preset", "pastel", "-i", "colour=#102030").document
    assert (0x102030, 0.45) == (prompt["colour"]["inputs"]["color"], prompt["tint"]["inputs"]["blend_factor"])
    assert "#102030" == prompt["colour"]["_meta"]["title"]


def test_render_says_which_seed_it_drew(examples: Path, typed: Type) -> None:
    """A seed that nobody gave is drawn, used, and told."""
    result = typed("render", "text_to_image")
    assert f"seed: {result.document['sample']['inputs']['seed']} (drawn)\n" == result.err


def test_render_of_a_pipeline_shows_every_step(examples: Path, typed: Type) -> None:
    """A pipeline's prompts stand by step, with placeholders for what other steps will make."""
    prompts = typed("render", "product_card").document
    assert {"cutout": 1, "variants": 3, "cards": 3, "sheet": 1} == {step: len(each) for step, each in prompts.items()}


def test_inputs_from_a_file_give_way_to_those_of_the_line(examples: Path, typed: Type) -> None:
    """``--inputs FILE`` takes YAML; ``-i`` wins over it."""
    (examples / "given.yaml").write_text("strength: 0.25\ncolour: '#000000'\n")
    prompt = typed("render", "recolour", "--inputs", "given.yaml", "-i", "colour=#ffffff").document
    assert (0.25, 0xFFFFFF) == (prompt["tint"]["inputs"]["blend_factor"], prompt["colour"]["inputs"]["color"])


def test_validate_passes_the_examples(examples: Path, typed: Type) -> None:
    """The repository's manifests have no finding; classes that the engine lacks are named as unchecked."""
    result = typed("validate")
    assert (0, "0 errors in 10 manifests\n") == (result.status, result.out)
    assert "unchecked in upscale: ImageUpscaleWithModel, UpscaleModelLoader\n" in result.err


def test_validate_knows_nodes_of_ones_own(here: Path, typed: Type) -> None:
    """Those that a backend of the settings has: a wrong input is an error, and nothing is unchecked."""
    nodes = (
        "import comfypipe.engine\nfrom comfypipe.engine import Image\n"
        "@comfypipe.engine.node('Brighter')\ndef brighter(image: Image, by: float) -> Image:\n    return image + by\n"
    )
    files = {
        "pyproject.toml": "[tool.comfypipe.backends.mine]\nurl = 'embedded:'\nnodes = ['mine.py']\n",
        "mine.py": nodes,
        "manifests/a.yaml": "apiVersion: comfypipe/v1\nkind: Workflow\nworkflow: workflows/a.json\n",
        "workflows/a.json": """{
            "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
            "2": {"class_type": "Brighter", "inputs": {"image": ["1", 0], "by": "much"}},
            "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}""",
    }
    for name, text in files.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    result = typed("validate")
    assert (3, "1 error in 1 manifest\n") == (result.status, result.out)
    assert "node 2 (Brighter): Failed to convert an input value to a FLOAT value: by, much" in result.err
    assert "unchecked" not in result.err


def test_validate_reports_everything_at_once(examples: Path, typed: Type) -> None:
    """Findings of one pass: a key that is not there, a default out of range, a misspelt reference; exit status 3."""
    card = examples / "manifests" / "card.yaml"
    card.write_text(
        card.read_text().replace("shadow: {type: number, default: 0.4", "shadow: {type: number, default: 4")
    )
    pipeline = examples / "manifests" / "product_card.yaml"
    pipeline.write_text(pipeline.read_text().replace("steps.cutout.outputs.image", "steps.cutuot.outputs.image"))
    upscale = examples / "manifests" / "upscale.yaml"
    upscale.write_text(upscale.read_text().replace("tags:", "tag:"))
    result = typed("validate")
    assert 3 == result.status
    found = [line.split(":")[0] for line in result.err.splitlines() if re.match(r"manifests/\S+:\d+:\d+ ", line)]
    assert {"manifests/card.yaml", "manifests/product_card.yaml", "manifests/upscale.yaml"} == set(found)
    assert "did you mean steps.cutout" in result.err
    assert "did you mean tags?" in result.err


def test_validate_against_a_catalog(examples: Path, typed: Type) -> None:
    """A catalog file takes the place of the engine's own offer; one that is none is refused by name."""
    (examples / "catalog.json").write_text('{"SaveImage": {"input": {}, "output": [], "output_node": true}}')
    result = typed("validate", "recolour", "--catalog", "catalog.json")
    assert 0 == result.status
    assert "unchecked in recolour: EmptyImage, ImageBlend, JoinImageWithAlpha, LoadImage\n" in result.err
    (examples / "broken.json").write_text("{")
    assert 2 == typed("validate", "--catalog", "broken.json").status


def test_a_command_outside_a_project_says_so(here: Path, typed: Type) -> None:
    """Without a project there is a hint, and exit status 2."""
    result = typed("list")
    assert 2 == result.status
    assert "hint: run `comfypipe init` here, or go to a project's folder" in result.err


def test_a_wrong_option_is_a_usage_error(here: Path, typed: Type) -> None:
    """The message names it; nothing is printed to stdout."""
    result = typed("list", "--jsn")
    assert (2, "") == (result.status, result.out)
    assert "--jsn" in result.err


def test_version(here: Path, typed: Type) -> None:
    """``--version`` prints the version alone."""
    result = typed("--version")
    assert 0 == result.status
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", result.out)


def test_graph_draws_a_pipeline(examples: Path, typed: Type) -> None:
    """On the terminal a tree; as SVG and Mermaid what other programs show."""
    tree = typed("graph", "product_card")
    assert 0 == tree.status
    assert {"cutout", "variants", "cards", "sheet"} <= set(re.findall(r"\w+", tree.out))
    assert typed("graph", "recolour", "--as", "svg").out.startswith("<svg")
    assert typed("graph", "recolour", "--as", "mermaid").out.startswith(("graph", "flowchart"))
    assert "card.svg\n" == typed("graph", "card", "--out", "card.svg").out
    assert Path("card.svg").read_text().startswith("<svg")


def test_a_working_directory_that_is_gone_is_no_traceback(here: Path, typed: Type) -> None:
    """What the system refuses is said in its own words, exit status 1."""
    (here / "gone").mkdir()
    os.chdir(here / "gone")
    (here / "gone").rmdir()
    result = typed("list")
    os.chdir(here)
    assert 1 == result.status
    assert "No such file or directory" in result.err
