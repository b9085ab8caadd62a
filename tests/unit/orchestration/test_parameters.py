"""Parameters: a manifest's inputs as Prefect shows and checks them."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytest
from prefect.utilities.callables import generate_parameter_schema, parameter_docstrings
from pydantic import TypeAdapter, ValidationError

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
    SeedInput,
    StringInput,
    TextInput,
)
from comfypipe.orchestration.parameters import annotation, parameters


def schema(inputs: Mapping[str, InputSpec], preset: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON Schema that Prefect's form is drawn from."""
    made = parameters(inputs, preset)
    return generate_parameter_schema(made.signature, parameter_docstrings(made.docstring("Runs it."))).model_dump()


def prop(spec: InputSpec) -> dict[str, Any]:
    """Return what the form knows of one input."""
    found: dict[str, Any] = schema({"x": spec})["properties"]["x"]
    return found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (StringInput(min_length=1, max_length=9), {"type": "string", "minLength": 1, "maxLength": 9}),
        (StringInput(pattern="#[0-9a-f]{6}"), {"type": "string", "pattern": "^(?:#[0-9a-f]{6})$"}),
        (StringInput(pattern="^a$"), {"type": "string", "pattern": "^a$"}),
        (StringInput(pattern="^a$|b$"), {"type": "string", "pattern": "^(?:^a$|b$)$"}),
        (StringInput(pattern=r"^a\$"), {"type": "string", "pattern": r"^(?:^a\$)$"}),
        (TextInput(default="a\nb"), {"type": "string", "default": "a\nb"}),
        (
            IntegerInput(default=64, minimum=8, maximum=512, multiple_of=8),
            {"type": "integer", "default": 64, "minimum": 8, "maximum": 512, "multipleOf": 8},
        ),
        (NumberInput(minimum=0, maximum=1.5, multiple_of=0.1), {"type": "number", "minimum": 0, "maximum": 1.5}),
        (BooleanInput(default=False), {"type": "boolean", "default": False}),
        (ChoiceInput(choices=("euler", "dpmpp_2m"), default="euler"),
         {"type": "string", "enum": ["euler", "dpmpp_2m"], "default": "euler"}),
        (ChoiceInput(choices=(1, "two", 2.5)), {"enum": [1, "two", 2.5]}),
        (ModelInput(), {"type": "string"}),
        (JsonInput(default={"a": [1]}), {"default": {"a": [1]}}),
        (
            ListInput(items=StringInput(max_length=7), default=("a", "b"), min_items=1, max_items=3),
            {"type": "array", "items": {"type": "string", "maxLength": 7}, "default": ["a", "b"], "minItems": 1,
             "maxItems": 3},
        ),
        (
            ListInput(items=ListInput(items=IntegerInput(minimum=1))),
            {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
        ),
    ],
)  # fmt: skip
def test_each_type_gives_its_limits(spec: InputSpec, expected: dict[str, Any]) -> None:
    """Type, limits, choices and default of an input stand in the schema as JSON Schema has them."""
    assert expected | {"position": 0, "title": "x"} == prop(spec)


def test_a_seed_is_an_optional_integer() -> None:
    """A seed may be left empty, and is otherwise a whole number of 64 bits."""
    assert {
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": 2**64 - 1}, {"type": "null"}],
        "default": None,
        "description": "Drawn when empty",
        "position": 0,
        "title": "x",
    } == prop(SeedInput())


def test_a_file_is_a_path_or_url() -> None:
    """A file input is a string, and its description says what to write, for a list of files as well."""
    assert {"type": "string", "description": "The product (path or URL)", "position": 0, "title": "x"} == prop(
        ImageInput(description="The product")
    )
    assert "Path or URL" == prop(ListInput(items=ImageInput()))["description"]


def test_required_and_optional() -> None:
    """Required are the inputs that have no default and are not marked otherwise; a seed never is."""
    found = schema(
        {
            "a": StringInput(default="x"),
            "b": StringInput(),
            "c": StringInput(required=False),
            "d": SeedInput(),
            "e": ChoiceInput(choices=("p", "q")),
            "f": ChoiceInput(choices=("p", "q"), required=False),
            "g": ImageInput(),
            "h": JsonInput(required=False),
        }
    )
    assert ["b", "e", "g"] == found["required"]


def test_the_order_is_that_of_the_manifest() -> None:
    """The form shows the inputs in the manifest's order, whether or not they have defaults."""
    found = schema({"z": IntegerInput(default=1), "a": StringInput(), "m": SeedInput(), "b": StringInput()})
    assert [("z", 0), ("a", 1), ("m", 2), ("b", 3)] == [
        (name, each["position"]) for name, each in found["properties"].items()
    ]


@pytest.mark.parametrize("text", ["Who: or what?", "two\nlines", "Args: of (all) kinds", "äöü — 𝄞", "a: b: c", "{x}"])
def test_descriptions_arrive(text: str) -> None:
    """A description reaches the form in one line, whatever punctuation it has."""
    assert " ".join(text.split()) == prop(StringInput(description=text))["description"]


def test_a_preset_stands_in_for_defaults() -> None:
    """With a preset its values are the defaults, and what it sets is not required any more."""
    inputs: dict[str, InputSpec] = {"a": IntegerInput(default=8), "b": StringInput(), "c": IntegerInput(default=1)}
    found = schema(inputs, {"a": 16, "b": "x"})
    assert ([16, "x", 1], []) == ([each["default"] for each in found["properties"].values()], found["required"])


def test_names_that_mean_something_elsewhere_get_an_underscore() -> None:
    """Inputs named like Python's words or what Prefect and pydantic keep for themselves stay usable."""
    inputs = {
        name: IntegerInput(default=n)
        for n, name in enumerate(["class", "class_", "json", "wait_for", "self", "model_config", "size"])
    }
    made = parameters(inputs)
    assert {
        "class__": "class",
        "class_": "class_",
        "json_": "json",
        "wait_for_": "wait_for",
        "self_": "self",
        "model_config_": "model_config",
        "size": "size",
    } == made.names
    assert set(schema(inputs)["properties"]) == set(made.names)


def test_given_is_what_a_call_adds_to_the_manifest() -> None:
    """The values of a call come back under the inputs' own names; what is empty or the default is left out."""
    made = parameters(
        {
            "class": StringInput(),
            "seed": SeedInput(),
            "flag": BooleanInput(default=False),
            "photo": ImageInput(default="assets/vase.png"),
            "size": IntegerInput(default=8),
        },
        {"size": 16},
    )
    values = {"class_": "x", "seed": None, "flag": True, "photo": "assets/vase.png", "size": 8}
    assert {"class": "x", "flag": True, "size": 8} == made.given(values)


def test_the_signature_is_keyword_only() -> None:
    """Values are given by name: a manifest's inputs can be put in another order without a change of meaning."""
    made = parameters({"a": StringInput(), "b": IntegerInput(default=1)})
    assert ["a", "b"] == list(made.signature.parameters)
    assert {inspect.Parameter.KEYWORD_ONLY} == {each.kind for each in made.signature.parameters.values()}


@pytest.mark.parametrize(
    ("spec", "good", "bad"),
    [
        (IntegerInput(minimum=8, multiple_of=8), [8, 64], [0, 12, "x"]),
        (StringInput(pattern="(?!no)[a-z]+"), ["yes"], ["no", "nonsense", "Yes", "a b"]),
        (ChoiceInput(choices=("a", 2)), ["a", 2], ["b", 3]),
        (SeedInput(maximum=9), [0, 9], [-1, 10]),
        (ListInput(items=IntegerInput(maximum=3), max_items=2), [[1, 2]], [[1, 2, 3], [4], 1]),
    ],
)
def test_values_are_checked(spec: InputSpec, good: list[Any], bad: list[Any]) -> None:
    """What a manifest would refuse, its parameter refuses: before a run exists."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation(spec))
    assert good == [adapter.validate_python(value) for value in good]
    for value in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)
