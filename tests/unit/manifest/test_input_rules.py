import pytest
from tests.unit.manifest.reading import HEAD, findings, workflow

from comfypipe.manifest.schema import ChoiceInput


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "a: {type: integer, minimum: 9, maximum: 8}",
            "5:31 bad-range: inputs.a: minimum 9 is larger than maximum 8",
        ),
        (
            "a: {type: number, minimum: 0.5, maximum: 0.25}",
            "5:30 bad-range: inputs.a: minimum 0.5 is larger than maximum 0.25",
        ),
        (
            "a: {type: seed, minimum: 2, maximum: 1}",
            "5:28 bad-range: inputs.a: minimum 2 is larger than maximum 1",
        ),
        (
            "a: {type: text, min_length: 2, max_length: 1}",
            "5:31 bad-range: inputs.a: min_length 2 is larger than max_length 1",
        ),
        (
            "a: {type: list, items: {type: image}, min_items: 2, max_items: 1}",
            "5:52 bad-range: inputs.a: min_items 2 is larger than max_items 1",
        ),
        (
            'a: {type: string, pattern: "("}',
            (
                "5:30 bad-pattern: inputs.a: the pattern does not compile: missing ), unterminated subpattern at "
                "position 0"
            ),
        ),
        (
            "a: {type: choice, choices: [x, y, x]}",
            '5:30 bad-choices: inputs.a: the choice "x" stands twice',
        ),
        (
            "a: {type: choice, choices: [1, '1']}",
            '5:30 bad-choices: inputs.a: the choice "1" stands twice',
        ),
        (
            "a: {type: list, items: {type: integer, default: 3}}",
            (
                "5:26 bad-items: inputs.a.items takes a type and its limits; default, required and bind belong to "
                "the list"
            ),
        ),
        (
            "a: {type: list, items: {type: integer, minimum: 3, maximum: 2}}",
            "5:51 bad-range: inputs.a.items: minimum 3 is larger than maximum 2",
        ),
        (
            "a: {type: integer, default: 65, multiple_of: 8}",
            "5:31 bad-default: inputs.a.default takes multiples of 8, not 65\n  hint: try 64",
        ),
        (
            "a: {type: integer, default: 65, maximum: 64}",
            "5:31 bad-default: inputs.a.default takes at most 64, not 65",
        ),
        (
            "a: {type: number, default: -0.5, minimum: 0}",
            "5:30 bad-default: inputs.a.default takes at least 0, not -0.5",
        ),
        (
            "a: {type: string, default: abc, max_length: 2}",
            "5:30 bad-default: inputs.a.default takes at most 2 characters, not 3",
        ),
        (
            'a: {type: string, default: red, pattern: "#[0-9a-f]{6}"}',
            '5:30 bad-default: inputs.a.default takes text that matches #[0-9a-f]{6}, not "red"',
        ),
        (
            "a: {type: choice, choices: [euler, dpmpp_2m], default: eular}",
            "5:58 bad-default: inputs.a.default takes one of euler, dpmpp_2m, not eular\n  hint: did you mean euler?",
        ),
        (
            "a: {type: model, default: ../x.safetensors}",
            (
                '5:29 bad-default: inputs.a.default takes the file name of a model, not "../x.safetensors"\n'
                "  hint: it is relative to its folder below models/, such as style/ink.safetensors"
            ),
        ),
        (
            "a: {type: list, items: {type: integer, minimum: 3}, default: [4, 2]}",
            "5:68 bad-default: inputs.a.default[1] takes at least 3, not 2",
        ),
        (
            "a: {type: list, items: {type: integer}, default: [a]}",
            '5:53 bad-default: inputs.a.default[0] takes an integer, not the text "a"',
        ),
        (
            "a: {type: list, items: {type: image}, default: [], min_items: 1}",
            "5:50 bad-default: inputs.a.default takes at least 1 item, not 0",
        ),
        (
            "a: {type: list, items: {type: image}, default: [7]}",
            "5:51 bad-default: inputs.a.default[0] takes a path or URL of an image, not the number 7",
        ),
    ],
)
def test_declarations_that_contradict_themselves_are_told(line: str, expected: str) -> None:
    """Limits, patterns, choices and defaults of an input fit together."""
    assert [expected] == findings(f"{HEAD}inputs:\n  {line}\n")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{b: 1}", '9:7 unknown-input: presets.p.b: there is no input "b"\n  hint: inputs are width, ratio, image'),
        ("{widht: 1}", '9:7 unknown-input: presets.p.widht: there is no input "widht"\n  hint: did you mean width?'),
        ("{width: 5}", "9:14 bad-preset: presets.p.width takes at most 4, not 5"),
        (
            "{width: '3'}",
            '9:14 bad-preset: presets.p.width takes an integer, not the text "3"\n  hint: write 3, without quotes',
        ),
        (
            "{ratio: '16:9', image: 3}",
            "9:29 bad-preset: presets.p.image takes a path or URL of an image, not the number 3",
        ),
    ],
)
def test_presets_fit_the_inputs(value: str, expected: str) -> None:
    """A preset gives known inputs values that they take, typed as strictly as defaults are."""
    text = """\
inputs:
  width: {type: integer, maximum: 4}
  ratio: {type: string}
  image: {type: image}
presets:
"""
    assert [expected] == findings(f"{HEAD}{text}  p: {value}\n")


def test_nothing_is_said_of_what_was_refused_already() -> None:
    """A preset for an input whose declaration is broken is not called unknown on top of that."""
    text = f"{HEAD}inputs:\n  a: {{type: choice}}\npresets:\n  p: {{a: x}}\n"
    assert ["5:6 missing-key: inputs.a lacks choices\n  hint: The values to choose from."] == findings(text)


def test_a_default_of_a_whole_number_does_for_a_choice_of_numbers() -> None:
    """Choices compare by value, text apart from numbers."""
    spec = workflow("inputs: {a: {type: choice, choices: [512, 0.5], default: 512}}").inputs["a"]
    assert ChoiceInput(choices=(512, 0.5), default=512) == spec
