"""Many plans of one project, made by one planner."""

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plan.projects import CUTOUT, FILES, OFFERED, PIPELINE, write

from comfypipe.errors import ComfypipeError, InputInvalid, PromptInvalid, TemplateError
from comfypipe.plan.build import Planner

ROWS: Mapping[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "a workflow": ("cutout", lambda row: {"image": "assets/photo.png", "size": 16 + row}),
    "a seed, a choice": ("recolour", lambda row: {"image": "assets/photo.png", "colour": ("red", "blue")[row % 2]}),
    "an export": ("caption", lambda row: {"image": ("assets/photo.png", "assets/logo.png")[row % 2]}),
    "lists, files of its own": ("sheet", lambda row: {"images": ["assets/photo.png"] * (1 + row % 3)}),
    "a pipeline": ("all", lambda row: {"colours": [f"{('red', 'green')[row % 2]}"] * (1 + row % 2)}),
}


@pytest.mark.parametrize("case", ROWS)
def test_each_row_is_planned_as_if_it_were_the_only_one(tmp_path: Path, case: str) -> None:
    """A planner that has made other plans makes the same plan as one that has made none, whatever the row."""
    name, row_of = ROWS[case]
    library, layout = write(tmp_path, {"manifests/all.yaml": PIPELINE})
    planner = Planner(library, layout)
    options: dict[str, Any] = {"object_info": OFFERED, "base": tmp_path}
    for row in range(5):
        alone = Planner(library, layout).plan(name, row_of(row), draw_seed=count(row).__next__, **options)
        assert alone == planner.plan(name, row_of(row), draw_seed=count(row).__next__, **options)


@pytest.mark.parametrize(
    ("size", "kind", "expected"),
    [
        (1025, InputInvalid, "input size takes at most 1024, not 1025"),
        ("x", InputInvalid, 'input size takes an integer, not the text "x"'),
        (801, PromptInvalid, "node scale (ImageScale): Value 801 bigger than max of 800: width (and 1 more)"),
    ],
    ids=["by the manifest", "by its type", "by the node"],
)
def test_a_wrong_value_is_found_in_whatever_row_it_stands(
    tmp_path: Path, size: object, kind: type[ComfypipeError], expected: str
) -> None:
    """After 57 rows that fit, a value that the manifest or a node does not take is refused, and the next one taken."""
    planner = Planner(*write(tmp_path))
    options: dict[str, Any] = {"object_info": OFFERED, "base": tmp_path}
    for row in range(57):
        planner.plan("cutout", {"image": "assets/photo.png", "size": 16 + row}, **options)
    with pytest.raises(kind) as caught:
        planner.plan("cutout", {"image": "assets/photo.png", "size": size}, **options)
    assert expected == caught.value.message
    after = planner.plan("cutout", {"image": "assets/photo.png", "size": 512}, **options)
    assert 512 == after.ready["cutout"].prompt["scale"]["inputs"]["width"]


def test_a_template_that_changes_between_rows_counts_at_once(tmp_path: Path) -> None:
    """The next row is rendered from what the file holds then; when it is gone, that is told."""
    planner = Planner(*write(tmp_path))
    given = {"image": "assets/photo.png"}
    before = planner.plan("cutout", given, base=tmp_path).ready["cutout"].prompt
    template = tmp_path / "workflows" / "cutout.json.j2"
    template.write_text(FILES["workflows/cutout.json.j2"].replace('"area"', '"lanczos"'), encoding="utf-8")
    after = planner.plan("cutout", given, base=tmp_path).ready["cutout"].prompt
    template.unlink()
    with pytest.raises(ComfypipeError) as caught:
        planner.plan("cutout", given, base=tmp_path)
    assert ("area", "lanczos") == tuple(each["scale"]["inputs"]["upscale_method"] for each in (before, after))
    assert "the template workflows/cutout.json.j2 does not exist" == caught.value.message


def test_a_template_that_breaks_between_rows_is_told(tmp_path: Path) -> None:
    """A mistake that is saved amid a batch has its place, and mending it helps."""
    planner = Planner(*write(tmp_path))
    given = {"image": "assets/photo.png"}
    template = tmp_path / "workflows" / "cutout.json.j2"
    good = template.read_text(encoding="utf-8")
    planner.plan("cutout", given, base=tmp_path)
    template.write_text(good + "{{ nobody }}", encoding="utf-8")
    with pytest.raises(TemplateError):
        planner.plan("cutout", given, base=tmp_path)
    template.write_text(good, encoding="utf-8")
    assert "cutout" in planner.plan("cutout", given, base=tmp_path).ready


def test_what_one_row_was_told_is_not_told_of_the_next(tmp_path: Path) -> None:
    """Warnings and placeholders of one plan are no part of another one."""
    manifest = CUTOUT.replace("image: {type: image}", "image: {type: image, required: false}", 1)
    planner = Planner(*write(tmp_path, {"manifests/cutout.yaml": manifest}))
    with pytest.raises(ComfypipeError):
        planner.plan("cutout", {"size": 900}, object_info=OFFERED, base=tmp_path)
    found = planner.plan("cutout", {"image": "assets/photo.png"}, object_info=OFFERED, base=tmp_path)
    assert () == found.warnings
