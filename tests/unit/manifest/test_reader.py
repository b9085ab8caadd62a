import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.manifest.reading import HEAD, findings, read, workflow

from comfypipe.errors import ManifestInvalid
from comfypipe.manifest.schema import ChoiceInput, NumberInput


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a: string", '5:6 wrong-type: inputs.a takes a mapping, not the text "string"\n  hint: write {type: string}'),
        ("a: [x]", "5:6 wrong-type: inputs.a takes a mapping, not a list\n  hint: write KEY: VALUE, without dashes"),
        ("a:", "5:5 wrong-type: inputs.a takes a mapping, not nothing"),
        (
            "a: {default: x}",
            (
                "5:6 missing-key: inputs.a lacks type\n  hint: type is one of string, text, integer, number, boolean, "
                "choice, seed, image, mask, video, audio, file, model, json, list"
            ),
        ),
        (
            "a: {type: picture}",
            (
                '5:13 unknown-type: inputs.a: there is no type "picture"\n'
                "  hint: type is one of string, text, integer, number, boolean, choice, seed, image, mask, "
                "video, audio, file, model, json, list"
            ),
        ),
        (
            "a: {type: imgae}",
            '5:13 unknown-type: inputs.a: there is no type "imgae"\n  hint: did you mean image?',
        ),
        (
            "a: {type: image, minimum: 3}",
            (
                '5:20 unknown-key: inputs.a has no key "minimum"\n  hint: its keys are type, description, required, '
                "bind, default"
            ),
        ),
        (
            "a: {type: integer, max: 3}",
            '5:22 unknown-key: inputs.a has no key "max"\n  hint: did you mean maximum?',
        ),
        (
            "a: {type: string, description: red, green}",
            (
                '5:39 unknown-key: inputs.a has no key "green"\n'
                "  hint: its keys are type, description, required, bind, default, min_length, max_length, pattern"
            ),
        ),
        (
            "a: {type: string, description: red, light green}",
            (
                '5:39 unknown-key: inputs.a has no key "light green"\n'
                "  hint: inside { } a comma ends a value: quote text that has commas"
            ),
        ),
        (
            "a: {type: string, type: text}",
            '5:21 duplicate-key: inputs.a has the key "type" twice\n  hint: the first stands in line 5',
        ),
        (
            "a: {type: choice}",
            "5:6 missing-key: inputs.a lacks choices\n  hint: The values to choose from.",
        ),
        ("a: {type: choice, choices: []}", "5:30 bad-value: inputs.a.choices is empty\n  hint: it takes at least one"),
        (
            "a: {type: choice, choices: euler}",
            '5:30 wrong-type: inputs.a.choices takes a list, not the text "euler"\n  hint: write [euler]',
        ),
        (
            "a: {type: choice, choices: [true]}",
            (
                "5:31 wrong-type: inputs.a.choices[0] takes text or an integer or a number, not true\n"
                '  hint: quote it: "true"'
            ),
        ),
        (
            "a: {type: list}",
            "5:6 missing-key: inputs.a lacks items\n  hint: Type and limits of each item.",
        ),
        ("a: {type: seed, default: -1}", "5:28 bad-value: inputs.a.default takes at least 0, not -1"),
        ("a: {type: integer, multiple_of: 0}", "5:35 bad-value: inputs.a.multiple_of takes at least 1, not 0"),
        ("a: {type: number, multiple_of: 0}", "5:34 bad-value: inputs.a.multiple_of takes more than 0, not 0.0"),
        ("? [x, y]\n  : {type: image}", "5:5 wrong-type: a key in inputs is not text"),
        (
            "2nd: {type: image}",
            (
                '5:3 bad-name: inputs.2nd: "2nd" cannot be a name\n'
                "  hint: letters, digits and _, beginning with a letter; at most 64"
            ),
        ),
        (
            "a-b: {type: image}",
            (
                '5:3 bad-name: inputs.a-b: "a-b" cannot be a name\n'
                "  hint: letters, digits and _, beginning with a letter; at most 64"
            ),
        ),
    ],
)
def test_what_is_wrong_with_an_input_is_told(line: str, expected: str) -> None:
    """Each way to get the declaration of an input wrong has its code, its place, and what to write."""
    assert [expected] == findings(f"{HEAD}inputs:\n  {line}\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "a: {type: boolean, default: yes}",
            (
                '5:31 wrong-type: inputs.a.default takes true or false, not the text "yes"\n'
                "  hint: only true and false are booleans in YAML 1.2: write true"
            ),
        ),
        (
            "a: {type: boolean, default: 'off'}",
            (
                '5:31 wrong-type: inputs.a.default takes true or false, not the text "off"\n'
                "  hint: only true and false are booleans in YAML 1.2: write false"
            ),
        ),
        ("a: {type: boolean, default: 1}", "5:31 wrong-type: inputs.a.default takes true or false, not the number 1"),
        (
            "a: {type: integer, default: 1e3}",
            "5:31 wrong-type: inputs.a.default takes an integer, not the number 1e3\n  hint: write 1000",
        ),
        (
            "a: {type: integer, default: 1.5}",
            "5:31 wrong-type: inputs.a.default takes an integer, not the number 1.5",
        ),
        (
            "a: {type: integer, default: '7'}",
            '5:31 wrong-type: inputs.a.default takes an integer, not the text "7"\n  hint: write 7, without quotes',
        ),
        (
            "a: {type: integer, default: 1_000}",
            '5:31 wrong-type: inputs.a.default takes an integer, not the text "1_000"\n  hint: write 1000',
        ),
        (
            "a: {type: integer, default: 010}",
            (
                "5:31 wrong-type: inputs.a.default: 010 is octal to some YAML readers and decimal to others\n"
                '  hint: write 10, 0o10 or "010"'
            ),
        ),
        ("a: {type: integer, default: true}", "5:31 wrong-type: inputs.a.default takes an integer, not true"),
        (
            "a: {type: integer, default: 12:30:00}",
            '5:31 wrong-type: inputs.a.default takes an integer, not the text "12:30:00"',
        ),
        (
            "a: {type: number, default: .inf}",
            (
                "5:30 wrong-type: inputs.a.default: .inf is not a finite number\n"
                '  hint: quote it if text is meant: ".inf"'
            ),
        ),
        (
            "a: {type: string, default: 7}",
            '5:30 wrong-type: inputs.a.default takes text, not the number 7\n  hint: quote it: "7"',
        ),
        (
            "a: {type: string, default: true}",
            '5:30 wrong-type: inputs.a.default takes text, not true\n  hint: quote it: "true"',
        ),
        (
            "a: {type: image, default: !file x.png}",
            "5:29 wrong-type: inputs.a.default: the tag !file is not read here\n  hint: leave the tag out",
        ),
        ("a: {type: image, default: {path: x}}", "5:29 wrong-type: inputs.a.default takes text, not a mapping"),
    ],
)
def test_yaml_traps_are_told_with_what_to_write(line: str, expected: str) -> None:
    """A value that YAML takes for something else than was meant is named, with how to write what was meant."""
    assert [expected] == findings(f"{HEAD}inputs:\n  {line}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accelerator: L4", '4:14 wrong-type: accelerator takes a list, not the text "L4"\n  hint: write [L4]'),
        ("timeout_s: 0", "4:12 bad-value: timeout_s takes more than 0, not 0.0"),
        (
            "timeout_s: 15m",
            '4:12 wrong-type: timeout_s takes a number, not the text "15m"',
        ),
        ("retry: 3", "4:8 wrong-type: retry takes a mapping, not the number 3"),
        ("retry: {attempts: 1000}", "4:19 bad-value: retry.attempts takes at most 100, not 1000"),
        ("tags: [2024]", '4:8 wrong-type: tags[0] takes text, not the number 2024\n  hint: quote it: "2024"'),
        (
            "outputs: {image: {type: image, node: 9}}",
            '4:38 wrong-type: outputs.image.node takes text, not the number 9\n  hint: quote it: "9"',
        ),
        (
            "outputs: {image: {type: pictures, node: a}}",
            (
                '4:25 bad-value: outputs.image.type does not take "pictures"\n'
                "  hint: it takes audio, boolean, file, image, integer, json, mask, number, text, video"
            ),
        ),
        ("outputs: {image: {type: image, node: ''}}", "4:38 bad-value: outputs.image.node is empty"),
        ("models: [{}]", "4:10 missing-key: models[0] lacks path\n  hint: Where ComfyUI has it: models/FOLDER/FILE."),
        (
            "models: [{path: models/a/b, size_bytes: -1}]",
            "4:41 bad-value: models[0].size_bytes takes at least 0, not -1",
        ),
        ("presets: {p: {a: 012}}", ["wrong-type"]),
        (
            "description: [a, b]",
            "4:14 wrong-type: description takes text, not a list",
        ),
        ("inputs: !map {}", "4:9 wrong-type: inputs: the tag !map is not read here"),
    ],
)
def test_what_is_wrong_elsewhere_is_told(text: str, expected: str | list[str]) -> None:
    """The other keys of a workflow are read as strictly as inputs are."""
    found = findings(f"{HEAD}{text}\n")
    assert expected == (found[0] if isinstance(expected, str) else [each.split()[1].rstrip(":") for each in found[:1]])


def test_an_integer_does_for_a_number() -> None:
    """A number that happens to be whole is written without a point, and is a float all the same."""
    spec = workflow("inputs: {a: {type: number, default: 2, minimum: 0x1}}").inputs["a"]
    assert isinstance(spec, NumberInput)
    assert ((2.0, float), (1.0, float)) == ((spec.default, type(spec.default)), (spec.minimum, type(spec.minimum)))


def test_choices_may_be_numbers() -> None:
    """Choices keep the types that they are written with."""
    spec = workflow("inputs: {a: {type: choice, choices: [euler, 512, 0.5, '1']}}").inputs["a"]
    assert ChoiceInput(choices=("euler", 512, 0.5, "1")) == spec


def test_aliases_and_merges_serve_inputs() -> None:
    """Inputs can share what they have in common."""
    text = """
inputs:
  a: &size {type: integer, default: 64, minimum: 8}
  b: *size
  c: {<<: *size, default: 128}
"""
    inputs = workflow(text).inputs
    assert ("integer", 64, 128, 8) == (inputs["c"].type, inputs["b"].default, inputs["c"].default, inputs["c"].minimum)  # type: ignore[union-attr]


VALID = (
    HEAD
    + """\
name: portrait
inputs:
  subject: {type: string, default: "a lighthouse", max_length: 500}
  width: {type: integer, default: 1024, minimum: 64, maximum: 4096, multiple_of: 8}
  sampler: {type: choice, choices: [euler, dpmpp_2m], default: euler}
  images: {type: list, items: {type: image}, min_items: 1}
presets:
  draft: {width: 512}
models:
  - {path: models/checkpoints/a.safetensors, size_bytes: 3}
files: {input/logo.png: assets/logo.png}
accelerator: [L4]
retry: {attempts: 2}
timeout_s: 900
outputs:
  image: {type: image, node: "9"}
"""
)

_PIECES = st.sampled_from(
    [*"{}[]:-?'\"#~7 \n\x00\ud83dé|", "\n  ", "- ", "? ", "*a", "&a ", "!x ", "<<: ", "1e400", "null", "type", "steps:"]
)


@given(st.lists(st.tuples(st.integers(0, len(VALID)), st.integers(0, 12), _PIECES), min_size=1, max_size=6))
def test_any_mutation_of_a_manifest_is_read_or_told(edits: list[tuple[int, int, str]]) -> None:
    """However a manifest is mangled, it is a manifest still, or `ManifestInvalid` with places inside the text."""
    text = VALID
    for at, length, piece in edits:
        text = text[:at] + piece + text[at + length :]
    try:
        read(text)
    except ManifestInvalid as error:
        lines = text.count("\n") + 2
        sources = [each.source for each in error.diagnostics]
        assert sources
        assert all(source is not None and 1 <= source.line <= lines for source in sources)


@given(st.text(max_size=200))
def test_any_text_is_read_or_told(text: str) -> None:
    """No text makes the reader raise anything but `ManifestInvalid`."""
    with pytest.raises(ManifestInvalid):
        read(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(
        ["name", "inputs", "presets", "models", "files", "custom_nodes", "accelerator", "retry", "timeout_s", "outputs"]
    ),
)
def test_any_value_under_any_key_is_read_or_told(value: object, key: str) -> None:
    """Whatever stands under a known key, the reader ends with a manifest or with diagnostics."""
    with contextlib.suppress(ManifestInvalid):
        read(f"{HEAD}{json.dumps(key)}: {json.dumps(value)}\n")
