"""Names of outputs, from templates."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.batch.names import PLAIN, SHARDED, NameTemplate, Naming
from comfypipe.errors import UsageError

NAMING = Naming(
    number=1234,
    row={"sku": "A-17", "colour": "dark red", "size": 3, "photo": {"filename": "vase.png"}, "none": None},
    inputs={"seed": 42, "strength": 0.25},
    output="image",
    filename="variant_00001_.png",
    run="2n0mzgpm82gq",
    key="0123456789abcdef",
    name="recolour",
    batch="2n0mzgpm82gr",
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{row.sku}_{row.colour}.png", "A-17_dark red.png"),
        ("{row.sku}", "A-17.png"),
        ("{row.sku}.jpg", "A-17.png"),
        ("{row.sku}.v2", "A-17.v2.png"),
        ("{row.colour}/{row.sku}-{input.seed:06}", "dark red/A-17-000042.png"),
        ("{input.strength}", "0.25.png"),
        ("{input.strength:.1f}", "0.2.png"),
        (PLAIN, "001234.png"),
        (SHARDED, "001/001234.png"),
        ("{name}-{run}-{key}-{batch}.{ext}", "recolour-2n0mzgpm82gq-0123456789ab-2n0mzgpm82gr.png"),
        ("{row.photo}", "vase.png"),
        ("{row.none}{row.size}", "3.png"),
        ("{row.colour:03}", "dark red.png"),
        ("{{{row.size}}}", "{3}.png"),
        ("con", "_con.png"),
    ],
)
def test_a_template_names_a_file(template: str, expected: str) -> None:
    """Fields stand for what the row says; the suffix is the file's own."""
    assert expected == NameTemplate(template).render(NAMING)


def test_several_files_of_a_row_have_names_of_their_own() -> None:
    """Output and index are added where the template has neither."""
    several = replace(NAMING, files=2, index=1, outputs=2)
    assert "A-17_image-02.png" == NameTemplate("{row.sku}.png").render(several)
    assert "A-17/image/2.png" == NameTemplate("{row.sku}/{output}/{index}").render(several)


@pytest.mark.parametrize(
    "template",
    ["/etc/passwd", "../{row.sku}", "a/../../b", "a/..", "C:/x", "a\\b", "a//b", "./a", "a/", ""],
)
def test_a_template_that_leaves_the_folder_is_refused(template: str) -> None:
    """Before anything runs."""
    with pytest.raises(UsageError, match="cannot be used"):
        NameTemplate(template)


@pytest.mark.parametrize(
    "template",
    [
        "{row}",
        "{row.__class__}{row[0]}",
        "{number.real}",
        "{row.sku!r}",
        "{number:>{row.size}}",
        "{number:x}",
        "{unknown}",
        "{}",
        "{0}",
        "{row.sku",
        "{number:99999999}",
    ],
)
def test_only_plain_fields_are_formatted(template: str) -> None:
    """No attribute, index, conversion or nested format: a template is data."""
    with pytest.raises(UsageError):
        NameTemplate(template).check_columns({"sku", "size"}, {})


def test_a_column_that_no_row_has_is_refused() -> None:
    """With the one that was probably meant."""
    with pytest.raises(UsageError, match=r"there is no row\.skuu"):
        NameTemplate("{row.skuu}").check_columns({"sku"}, {})


VALUES = st.text(max_size=300) | st.integers() | st.floats() | st.none() | st.lists(st.text(max_size=5), max_size=3)


@given(VALUES, VALUES)
def test_no_value_leads_out_of_the_folder(sku: Any, seed: Any) -> None:
    """Whatever a row says, its file lies where the template says, under a name that file systems take."""
    naming = replace(NAMING, row={"sku": sku}, inputs={"seed": seed})
    name = NameTemplate("a/{row.sku}/{input.seed}-{row.sku}").render(naming)
    parts = PurePosixPath(name).parts
    assert 3 == len(parts)
    assert "a" == parts[0]
    assert not {"..", ".", "", "/"} & set(parts)
    assert all(len(part.encode()) <= 255 and "\0" not in part and "\\" not in part for part in parts)
    assert name.endswith(".png")
