"""Edits to YAML that leave all else as it is."""

import pytest
from ruamel.yaml import YAML

from comfypipe._types import JSON
from comfypipe.importing.yaml_edit import YamlText

TEXT = """\
# my workflow
name:   portrait   # odd spaces
inputs:
  # the prompt
  prompt:
    type: text
    default: |-
      a cat
      on a mat
    # after the text
  seed: {type: seed, default: 42}   # the answer

  width: {default: 512, type: integer}
outputs: {image: {type: image, node: "9"}, extra: {type: file, node: "10"}}
models:
    - path: models/a   # first
    - {path: models/b}
tags: [x, y]
# the end
"""


def edited(*edits: tuple[str, ...] | list[JSON]) -> str:
    """Return ``TEXT`` after calls of methods."""
    yaml = YamlText(TEXT)
    for method, *arguments in edits:
        getattr(yaml, method)(*arguments)
    return yaml.text()


def changed(text: str) -> list[tuple[str, str]]:
    """Return the lines of ``TEXT`` that are gone, and the new ones."""
    before, after = TEXT.splitlines(), text.splitlines()
    return [("-", each) for each in before if each not in after] + [("+", each) for each in after if each not in before]


def test_without_edits_nothing_changes() -> None:
    """Not a blank."""
    assert edited() == TEXT


def test_a_value_is_replaced_where_it_stands() -> None:
    """In a line with others, comment and all."""
    assert [
        ("-", "  seed: {type: seed, default: 42}   # the answer"),
        ("+", "  seed: {type: seed, default: 7}   # the answer"),
    ] == changed(edited(["replace", ("inputs", "seed", "default"), 7]))


def test_a_block_of_text_stays_one() -> None:
    """At its place, before its comment; or becomes a quoted text where it does not fit."""
    assert [("-", "      a cat"), ("-", "      on a mat"), ("+", "      a dog"), ("+", "      barks")] == changed(
        edited(["replace", ("inputs", "prompt", "default"), "a dog\nbarks"])
    )
    assert [
        ("-", "    default: |-"),
        ("-", "      a cat"),
        ("-", "      on a mat"),
        ("+", '    default: "one line: x"'),
    ] == changed(edited(["replace", ("inputs", "prompt", "default"), "one line: x"]))


def test_entries_are_removed_with_their_lines_and_no_others() -> None:
    """Comments before and after them stay."""
    text = edited(["remove", ("inputs", "prompt")])
    assert "# the prompt\n    # after the text\n  seed:" in text.replace("  # the prompt", "# the prompt")
    assert {"seed", "width"} == YAML(typ="safe").load(text)["inputs"].keys()


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        (["image"], 'outputs: {extra: {type: file, node: "10"}}'),
        (["extra"], 'outputs: {image: {type: image, node: "9"}}'),
    ],
)
def test_entries_in_a_line_are_removed_with_their_comma(gone: list[str], expected: str) -> None:
    """First and last."""
    assert expected in edited(*(["remove", ("outputs", each)] for each in gone)).splitlines()


def test_what_is_empty_goes_as_a_whole() -> None:
    """A mapping or list without entries would mean nothing."""
    text = edited(
        ["remove", ("outputs", "image")],
        ["remove", ("outputs", "extra")],
        ["remove", ("models", 0)],
        ["remove", ("models", 1)],
    )
    assert ["name", "inputs", "tags"] == list(YAML(typ="safe").load(text))


def test_entries_are_added_at_the_end_as_deep_as_the_others() -> None:
    """In blocks, in lines, and in lists of any indent."""
    text = edited(
        ["add", ("inputs",), "steps", {"type": "integer"}],
        ["add", ("outputs",), "m", {"type": "mask", "node": "11"}],
        ["append", ("models",), {"path": "models/c"}],
        ["append", ("tags",), "z"],
        ["add", ("presets",), "draft", {"steps": 4}],
    )
    assert [
        ("-", 'outputs: {image: {type: image, node: "9"}, extra: {type: file, node: "10"}}'),
        ("-", "tags: [x, y]"),
        ("+", "  steps: {type: integer}"),
        (
            "+",
            'outputs: {image: {type: image, node: "9"}, extra: {type: file, node: "10"}, m: {type: mask, node: "11"}}',
        ),
        ("+", "    - path: models/c"),
        ("+", "tags: [x, y, z]"),
        ("+", "presets:"),
        ("+", "  draft: {steps: 4}"),
    ] == changed(text)


def test_all_entries_may_be_exchanged() -> None:
    """Old ones out, new ones in."""
    text = edited(
        ["remove", ("outputs", "image")],
        ["remove", ("outputs", "extra")],
        ["add", ("outputs",), "a", 1],
        ["remove", ("tags", 0)],
        ["remove", ("tags", 1)],
        ["append", ("tags",), "z"],
        ["remove", ("models", 0)],
        ["remove", ("models", 1)],
        ["append", ("models",), {"path": "models/c"}],
    )
    found = YAML(typ="safe").load(text)
    assert ({"a": 1}, ["z"], [{"path": "models/c"}]) == (found["outputs"], found["tags"], found["models"])


def test_empty_containers_are_filled() -> None:
    """Whether they were written as nothing or as ``{}``."""
    yaml = YamlText("a: {}\nb:\nc: []")
    yaml.add(("a",), "x", 1)
    yaml.add(("b",), "y", 2)
    yaml.append(("c",), 3)
    assert YAML(typ="safe").load(yaml.text()) == {"a": {"x": 1}, "b": {"y": 2}, "c": [3]}


def test_aliases_are_left_to_what_they_stand_for() -> None:
    """A value that is written elsewhere is not changed there; its entry can be removed."""
    text = "a: &big 512\nb: *big\nc: {x: *big, y: 1}\n"
    yaml = YamlText(text)
    yaml.replace(("b",), 7)
    assert yaml.text() == text
    yaml.remove(("b",))
    yaml.remove(("c", "x"))
    assert yaml.text() == "a: &big 512\nc: {y: 1}\n"
