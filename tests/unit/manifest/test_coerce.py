import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.manifest.coerce import SEED_MAXIMUM, BadValue, coerce
from comfypipe.manifest.schema import (
    AudioInput,
    BooleanInput,
    ChoiceInput,
    FileInput,
    ImageInput,
    InputSpec,
    IntegerInput,
    JsonInput,
    ListInput,
    MaskInput,
    ModelInput,
    NumberInput,
    SeedInput,
    StringInput,
    TextInput,
    VideoInput,
)
from comfypipe.manifest.values import FileValue, Value


def no_file(value: object, media: str) -> FileValue:
    """Stand in for opening files: tells what it was asked for."""
    raise BadValue(f"opens {value!r} as {media}")


def typed(spec: InputSpec, value: object) -> Value:
    """Coerce a value whose type must fit."""
    return coerce(spec, value, no_file, text=False)


def given_text(spec: InputSpec, value: object) -> Value:
    """Coerce a value that may be given as text."""
    return coerce(spec, value, no_file, text=True)


def refused(spec: InputSpec, value: object, *, text: bool = True) -> tuple[str, str | None]:
    """Return why a value is refused, and the hint."""
    with pytest.raises(BadValue) as caught:
        coerce(spec, value, no_file, text=text)
    return caught.value.problem, caught.value.hint


NUMBERS = ListInput(items=IntegerInput())


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        (StringInput(), "7", "7"),
        (TextInput(), "a\nb", "a\nb"),
        (IntegerInput(), "7", 7),
        (IntegerInput(), " -7 ", -7),
        (IntegerInput(), 7.0, 7),
        (NumberInput(), "7", 7.0),
        (NumberInput(), "1e3", 1000.0),
        (NumberInput(), ".5", 0.5),
        (NumberInput(), 7, 7.0),
        (BooleanInput(), "true", True),
        (BooleanInput(), "No", False),
        (BooleanInput(), "1", True),
        (ChoiceInput(choices=("euler", 512)), "euler", "euler"),
        (ChoiceInput(choices=("euler", 512)), "512", 512),
        (ChoiceInput(choices=(0.5,)), 0.5, 0.5),
        (SeedInput(), "18446744073709551615", 18446744073709551615),
        (ModelInput(), "SDXL/base.safetensors", "SDXL/base.safetensors"),
        (JsonInput(), '{"a": [1, null]}', {"a": [1, None]}),
        (JsonInput(), {"a": 1}, {"a": 1}),
        (NUMBERS, "1, 2,3", [1, 2, 3]),
        (NUMBERS, "[1, 2]", [1, 2]),
        (NUMBERS, "", []),
        (NUMBERS, (1, "2"), [1, 2]),
        (ListInput(items=StringInput()), '["a, b"]', ["a, b"]),
        (ListInput(items=NUMBERS), "[[1], []]", [[1], []]),
    ],
)
def test_text_becomes_what_the_type_says(spec: InputSpec, text: object, value: object) -> None:
    """What is given on a command line is read by the declared type."""
    found = given_text(spec, text)
    assert (value, type(value)) == (found, type(found))


@pytest.mark.parametrize(
    ("spec", "value", "problem", "hint"),
    [
        (StringInput(), 7, "takes text, not the number 7", 'as text it is "7"'),
        (StringInput(), None, "takes text, not nothing", None),
        (StringInput(min_length=2), "a", "takes at least 2 characters, not 1", None),
        (StringInput(max_length=1), "ab", "takes at most 1 character, not 2", None),
        (StringInput(pattern="[a-z]+"), "aB", 'takes text that matches [a-z]+, not "aB"', None),
        (IntegerInput(), "7.5", 'takes an integer, not the text "7.5"', "write 7.5, without quotes"),
        (IntegerInput(), "seven", 'takes an integer, not the text "seven"', None),
        (IntegerInput(), "\u0667", 'takes an integer, not the text "\u0667"', None),
        (IntegerInput(), "", 'takes an integer, not the text ""', None),
        (IntegerInput(), True, "takes an integer, not true", None),
        (IntegerInput(), 7.5, "takes an integer, not the number 7.5", None),
        (IntegerInput(), 1 << 64, f"takes integers of 64 bits, not the number {1 << 64}", None),
        (IntegerInput(minimum=3), "2", "takes at least 3, not 2", None),
        (IntegerInput(maximum=3), "4", "takes at most 3, not 4", None),
        (IntegerInput(multiple_of=8), "20", "takes multiples of 8, not 20", "try 16"),
        (NumberInput(), "nan", 'takes a number, not the text "nan"', None),
        (NumberInput(), math.nan, "takes a finite number, not nan", None),
        (NumberInput(), -math.inf, "takes a finite number, not -inf", None),
        (NumberInput(), "1e999", "takes a finite number, not inf", None),
        (NumberInput(), 10**400, f"takes a finite number, not {'1' + '0' * 56}…", None),
        (NumberInput(), False, "takes a number, not false", None),
        (NumberInput(maximum=0.5), 0.75, "takes at most 0.5, not 0.75", None),
        (NumberInput(multiple_of=0.1), 0.25, "takes multiples of 0.1, not 0.25", "try 0.2"),
        (BooleanInput(), "maybe", 'takes true or false, not the text "maybe"', None),
        (BooleanInput(), 1, "takes true or false, not the number 1", None),
        (ChoiceInput(choices=("euler",)), "eular", "takes one of euler, not eular", "did you mean euler?"),
        (ChoiceInput(choices=(1,)), True, "takes one of 1, not true", None),
        (ChoiceInput(choices=("1",)), 1, "takes one of 1, not 1", "did you mean 1?"),
        (SeedInput(), -1, f"takes seeds from 0 to {SEED_MAXIMUM}, not -1", None),
        (SeedInput(maximum=9), 10, "takes seeds from 0 to 9, not 10", None),
        (SeedInput(), 1 << 64, f"takes integers of 64 bits, not the number {1 << 64}", None),
        (
            ModelInput(),
            "/abs.safetensors",
            'takes the file name of a model, not "/abs.safetensors"',
            "it is relative to its folder below models/, such as style/ink.safetensors",
        ),
        (ModelInput(), 1, "takes the file name of a model, not the number 1", None),
        (JsonInput(), "hello", 'takes JSON, not the text "hello"', 'text as JSON has quotes: "hello"'),
        (JsonInput(), "NaN", 'takes JSON, not the text "NaN"', 'text as JSON has quotes: "NaN"'),
        (JsonInput(), {1: 2}, "takes JSON, not a mapping", None),
        (JsonInput(), [math.inf], "takes JSON, not the number inf", None),
        (NUMBERS, 7, "takes a list, not the number 7", None),
        (
            NUMBERS,
            "[1,",
            'takes a list, not the text "[1,"',
            'write it as JSON, ["a", "b"], or with commas, a,b',
        ),
        (NUMBERS, "1,x", 'takes an integer, not the text "x"', None),
        (ListInput(items=IntegerInput(), min_items=1), [], "takes at least 1 item, not 0", None),
        (ListInput(items=IntegerInput(), max_items=1), [1, 2], "takes at most 1 item, not 2", None),
        (ImageInput(), "a.png", "opens 'a.png' as image", None),
        (
            ImageInput(),
            [FileValue("a", "image")],
            "opens [FileValue(filename='a', media='image', path=None, url=None, sha256=None, remote=None)] as image",
            None,
        ),
        (VideoInput(), FileValue("a.png", "image"), "takes a video, not an image", None),
        (AudioInput(), FileValue("a.mp4", "video"), "takes a sound file, not a video", None),
        (IntegerInput(), FileValue("a.png", "image"), "takes an integer, not an image", None),
    ],
)
def test_what_does_not_fit_is_refused(spec: InputSpec, value: object, problem: str, hint: str | None) -> None:
    """A value that is not of the type, or outside its limits, is refused with the reason."""
    assert (problem, hint) == refused(spec, value)


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (IntegerInput(), "7"),
        (NumberInput(), "7"),
        (BooleanInput(), "true"),
        (ChoiceInput(choices=(512,)), "512"),
        (SeedInput(), "7"),
        (NUMBERS, "1,2"),
        (NUMBERS, ["1"]),
    ],
)
def test_typed_values_are_not_read_from_text(spec: InputSpec, value: object) -> None:
    """Where types are known, in manifests and between steps, text does not stand for anything else."""
    with pytest.raises(BadValue):
        typed(spec, value)


def test_text_is_json_where_types_are_known() -> None:
    """A text that a manifest gives for a JSON input is that text."""
    assert "hello" == typed(JsonInput(), "hello")


@pytest.mark.parametrize(
    ("spec", "media"), [(MaskInput(), "image"), (ImageInput(), "mask"), (FileInput(), "video"), (ImageInput(), "file")]
)
def test_kinds_of_files_that_do_for_each_other(spec: InputSpec, media: str) -> None:
    """A mask is a picture, any file is a file, and a file of no known kind may be of any; it becomes what is asked."""
    assert FileValue("a", spec.type) == typed(spec, FileValue("a", media))


def test_one_file_does_for_a_list_of_files() -> None:
    """An output is one file or several: a list takes either."""
    assert [FileValue("a", "image")] == typed(ListInput(items=ImageInput()), FileValue("a", "image"))


def test_the_place_of_a_bad_item_is_told() -> None:
    """The indices lead to the item, through lists of lists."""
    with pytest.raises(BadValue) as caught:
        typed(ListInput(items=NUMBERS), [[1], [2, "x"]])
    assert (1, 1) == caught.value.place


def test_json_nested_too_deep_is_refused() -> None:
    """Nesting has a limit, so that nothing that walks the value runs out of stack."""
    value: list[object] = []
    for _ in range(60):
        value = [value]
    assert ("takes JSON of at most 50 levels", None) == refused(JsonInput(), value)
    assert 'takes JSON, not the text "' == refused(JsonInput(), "[" * 100_000)[0][:26]


@given(st.integers(-(1 << 63), (1 << 64) - 1))
def test_integers_survive_text(value: int) -> None:
    """Any integer of 64 bits comes back from its text."""
    assert value == given_text(IntegerInput(), str(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_text(value: float) -> None:
    """Any finite number comes back from its text, to the bit."""
    assert value == given_text(NumberInput(), repr(value))


@given(st.integers(0, SEED_MAXIMUM))
def test_seeds_survive_text(value: int) -> None:
    """Any seed comes back from its text."""
    assert value == given_text(SeedInput(), str(value))


@given(st.lists(st.text()))
def test_lists_survive_json(value: list[str]) -> None:
    """Any list of texts comes back from its JSON."""
    assert value == given_text(ListInput(items=StringInput()), json.dumps(value))


_SPECS = st.sampled_from(
    [
        *(StringInput(max_length=3), TextInput(), IntegerInput(minimum=0, multiple_of=2), NumberInput(multiple_of=0.1)),
        *(BooleanInput(), ChoiceInput(choices=("a", 1)), SeedInput(), ImageInput(), ModelInput(), JsonInput(), NUMBERS),
    ]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(FileValue("a", "image")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(_SPECS, _VALUES, st.booleans())
def test_any_value_is_coerced_or_refused(spec: InputSpec, value: object, text: bool) -> None:
    """No value makes coercion raise anything but `BadValue`; what it lets through, it lets through unchanged again."""
    try:
        found = coerce(spec, value, no_file, text=text)
    except BadValue:
        return
    assert found == coerce(spec, found, no_file, text=False)


@given(st.integers(-10_000, 10_000), st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.3]))
def test_multiples_are_meant_decimally(count: int, step: float) -> None:
    """What people write as a multiple is one, though binary fractions do not hold it exactly."""
    value = round(count * step, 2)
    assert value == typed(NumberInput(multiple_of=step), value)
