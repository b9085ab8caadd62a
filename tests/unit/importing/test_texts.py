"""Manifests as YAML and prompts as templates: what is written is what is read."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.template_text import prompt_text, template_text
from comfypipe.importing.yaml_text import scalar, yaml_text
from comfypipe.template.render import render

LETTERS = st.characters(exclude_categories=["Cs"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(LETTERS)
    | st.sampled_from(
        ["yes", "null", "1e3", "0x1F", "- a", "a: b", "# x", "{{ x }}", "a\n b\n\nc", "x\n", " lead\nx", "~"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(LETTERS, min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(LETTERS, min_size=1, max_size=20), VALUES, max_size=5))
def test_yaml_gives_back_what_was_written(document: JSONObject) -> None:
    """Whatever the values are, a YAML 1.2 reader finds them again, of the same types."""
    from ruamel.yaml import YAML

    text = yaml_text(document)
    found = YAML(typ="safe", pure=True).load(text) or {}
    assert json.dumps(document) == json.dumps(found), text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a cat", "a cat"),
        ("v1.5", "v1.5"),
        ("no", '"no"'),
        ("Null", '"Null"'),
        ("3", '"3"'),
        ("a: b", '"a: b"'),
        ("grün", '"grün"'),
        ("\x85\ufeff", '"\\u0085\\ufeff"'),
        (True, "true"),
        (None, "null"),
        (1.5, "1.5"),
    ],
)
def test_single_values_are_quoted_where_they_could_be_taken_for_others(value: JSON, expected: str) -> None:
    """Plain text stays plain."""
    assert expected == scalar(value)


def test_layout_is_that_of_a_person() -> None:
    """One line while it fits, one level of block below the top, long texts as blocks."""
    document = {
        "name": "x",
        "inputs": {"a": {"type": "text", "default": "one\n\ntwo\n"}, "b": {"type": "seed"}},
        "models": [
            {"path": "models/vae/a.pt"},
            {"path": "models/vae/b.pt", "url": "https://x.y/" + "b" * 90},
            {"p": 1, "q": 2},
        ],
        "tags": ["a", "b"],
        "empty": {},
    }
    assert yaml_text(document) == (
        "name: x\n"
        "inputs:\n"
        "  a:\n"
        "    type: text\n"
        "    default: |\n"
        "      one\n"
        "\n"
        "      two\n"
        "  b: {type: seed}\n"
        "models:\n"
        "  - path: models/vae/a.pt\n"
        "  - path: models/vae/b.pt\n"
        f"    url: https://x.y/{'b' * 90}\n"
        "  - {p: 1, q: 2}\n"
        "tags:\n"
        "  - a\n"
        "  - b\n"
        "empty: {}\n"
    )


def rendered(text: str, values: JSONObject, folder: Path) -> JSONObject:
    """Return what a template's text gives for *values*."""
    path = folder / "x.json.j2"
    path.write_text(text, "utf-8")
    return render(path, values, root=folder, shown="x.json.j2").document


def test_a_template_reads_inputs_where_their_values_stood(tmp_path: Path) -> None:
    """One input may be read in several places; one that may be left out has what stood there to fall back on."""
    prompt: JSONObject = {
        "1": {
            "class_type": "A",
            "inputs": {"text": "a", "seed": 1, "image": 'p \\ "q".png', "keep": "{{ x }} {% y %}"},
        },
        "2": {"class_type": "B", "inputs": {"text": "a", "link": ["1", 0]}},
    }
    targets = {("1", "text"): "subject", ("2", "text"): "subject", ("1", "seed"): "seed", ("1", "image"): "photo"}
    text = template_text(prompt, targets, {"photo": 'p \\ "q".png'})
    assert '"text": {{ subject }}' in text
    assert prompt == rendered(text, {"subject": "a", "seed": 1, "photo": None}, tmp_path)
    other = rendered(text, {"subject": 'x "y"', "seed": 2, "photo": "z.png"}, tmp_path)
    assert other["2"]["inputs"] == {"text": 'x "y"', "link": ["1", 0]}
    assert other["1"]["inputs"] == {"text": 'x "y"', "seed": 2, "image": "z.png", "keep": "{{ x }} {% y %}"}


@given(st.text(LETTERS), st.text(LETTERS))
def test_any_text_survives_a_template(tmp_path_factory: pytest.TempPathFactory, kept: str, fallback: str) -> None:
    """Braces, marks, quotes and control characters are only text."""
    prompt: JSONObject = {"1": {"class_type": "A", "inputs": {"kept": kept, "x": fallback}, "_meta": {"title": kept}}}
    text = template_text(prompt, {("1", "x"): "photo"}, {"photo": fallback})
    assert prompt == rendered(text, {"photo": None}, tmp_path_factory.mktemp("t"))


def test_half_characters_are_written_as_escapes() -> None:
    """They have no place in UTF-8."""
    prompt = {"1": {"class_type": "A", "inputs": {"x": "\ud800 ü"}}}
    assert prompt == json.loads(prompt_text(prompt).encode())
