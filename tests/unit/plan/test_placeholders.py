from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from comfypipe.manifest.coerce import coerce
from comfypipe.manifest.inputs import file_opener
from comfypipe.manifest.schema import (
    BooleanInput,
    ChoiceInput,
    ImageInput,
    InputSpec,
    IntegerInput,
    JsonInput,
    ListInput,
    ModelInput,
    NumberInput,
    OutputSpec,
    SeedInput,
    StringInput,
    VideoInput,
)
from comfypipe.manifest.values import FileValue, Value
from comfypipe.plan.placeholders import NoPlaceholder, other_value, placeholder, placeholder_output

OPEN = file_opener(Path())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (StringInput(), "placeholder"),
        (StringInput(default="a fox"), "a fox"),
        (StringInput(max_length=3), "1"),
        (StringInput(max_length=0), ""),
        (StringInput(min_length=60, max_length=60), "placeholder" * 5 + "place"),
        (StringInput(pattern="#[0-9a-f]{6}"), "#000000"),
        (StringInput(pattern=r"\d+x\d+"), "512x512"),
        (IntegerInput(), 1),
        (IntegerInput(minimum=10, multiple_of=8), 16),
        (IntegerInput(minimum=-20, multiple_of=8), -16),
        (IntegerInput(maximum=-3), -3),
        (IntegerInput(maximum=-3, multiple_of=2), -4),
        (NumberInput(), 1.0),
        (NumberInput(minimum=0.3, multiple_of=0.25), 0.5),
        (NumberInput(maximum=0.5), 0.5),
        (BooleanInput(), False),
        (ChoiceInput(choices=("x", "y")), "x"),
        (SeedInput(minimum=3), 3),
        (ModelInput(), "placeholder.safetensors"),
        (ImageInput(), FileValue("placeholder-a.png", "image")),
        (VideoInput(), FileValue("placeholder-a.mp4", "video")),
        (ListInput(items=BooleanInput()), [False]),
        (ListInput(items=BooleanInput(), min_items=2), [False, False]),
        (
            ListInput(items=ImageInput(), min_items=2),
            [FileValue("placeholder-a-0.png", "image"), FileValue("placeholder-a-1.png", "image")],
        ),
    ],
)
def test_a_placeholder_is_what_the_input_takes(spec: InputSpec, expected: Value) -> None:
    """The default stands in where there is one; else a value of the type, inside its limits."""
    assert expected == placeholder(spec, "a", OPEN)


@pytest.mark.parametrize(
    "spec",
    [
        StringInput(pattern="[A-Z]{9}"),
        JsonInput(),
        IntegerInput(minimum=3, maximum=5, multiple_of=8),
        ListInput(items=JsonInput()),
        ListInput(items=BooleanInput(), max_items=0),
    ],
)
def test_where_no_value_is_known_it_is_said(spec: InputSpec) -> None:
    """An input that nothing is known to fit says what to do about it."""
    with pytest.raises(NoPlaceholder, match="no value is known that a takes: give it a default"):
        placeholder(spec, "a", OPEN)


@given(st.none() | st.integers(-1000, 1000), st.none() | st.integers(-1000, 1000), st.none() | st.integers(1, 64))
def test_integers_within_limits_have_a_placeholder(minimum: int | None, maximum: int | None, step: int | None) -> None:
    """Whenever some integer fits, one is found, unless the only ones lie far off."""
    spec = IntegerInput(minimum=minimum, maximum=maximum, multiple_of=step)
    lowest, highest = minimum if minimum is not None else -2000, maximum if maximum is not None else 2000
    assume(any(value % (step or 1) == 0 for value in range(lowest, highest + 1)))
    value = placeholder(spec, "a", OPEN)
    assert value == coerce(spec, value, OPEN, text=False)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("image", FileValue("placeholder-s.png", "image")),
        ("audio", FileValue("placeholder-s.flac", "audio")),
        ("text", "placeholder"),
        ("integer", 1),
        ("number", 1.0),
        ("boolean", True),
        ("json", None),
    ],
)
def test_outputs_have_placeholders_by_type(kind: str, expected: Value) -> None:
    """What a step will give is known by its type alone."""
    assert expected == placeholder_output(OutputSpec(type=kind, node="9"), "s")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1, 1.5, "a", [1], FileValue("a.png", "image")])
def test_another_value_differs_in_nothing_but_content(value: Value) -> None:
    """To see what depends on a guess, another of its kind is tried."""
    other = other_value(value)
    assert (True, type(value)) == (other != value, type(other))


@pytest.mark.parametrize("value", [True, None, {"a": 1}])
def test_what_branches_stays(value: Value) -> None:
    """Switches are not turned: another branch would be another prompt."""
    assert value == other_value(value)
