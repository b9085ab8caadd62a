"""Values that stand in for what nobody has given or made yet, so that everything can be rendered and checked before."""

import math
import re
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from msgspec.structs import replace

from comfypipe.manifest.coerce import BadValue, OpenFile, coerce, seed_range
from comfypipe.manifest.schema import (
    MEDIA_TYPES,
    BooleanInput,
    ChoiceInput,
    InputSpec,
    IntegerInput,
    JsonInput,
    ListInput,
    ModelInput,
    NumberInput,
    OutputSpec,
    SeedInput,
    StringInput,
    TextInput,
)
from comfypipe.manifest.values import FileValue, Value

WORD = "placeholder"
_SUFFIXES = {"image": ".png", "mask": ".png", "video": ".mp4", "audio": ".flac"}
_EXAMPLES = (
    *(WORD, "Placeholder", "placeholder.png", "placeholder@example.com", "https://example.com/placeholder"),
    *("#000000", "#000", "000000", "1", "0", "10", "100", "1.0", "0.5", "1:1", "16:9", "512x512", "1x1", "100%"),
    *("en", "en-US", "a", "A", "2000-01-01", "00:00", "00:00:00", "00000000-0000-0000-0000-000000000000", ""),
)


class NoPlaceholder(Exception):
    """No value is known that an input would take."""


def placeholder_file(name: str, media: str) -> FileValue:
    """Return what stands in for a file; *name* tells it from others."""
    return FileValue(f"{WORD}-{name}{_SUFFIXES.get(media, '.bin')}", media)


def placeholder_output(spec: OutputSpec, name: str) -> Value:
    """Return what stands in for an output."""
    if spec.type in MEDIA_TYPES:
        return placeholder_file(name, spec.type)
    plain: Mapping[str, Value] = {"text": WORD, "integer": 1, "number": 1.0, "boolean": True}
    return plain.get(spec.type)


def placeholder(spec: InputSpec, name: str, open_file: OpenFile) -> Value:
    """
    Return a value that *spec* takes: its default, where it has one.

    Raises:
        NoPlaceholder: None is known.
    """
    if spec.default is not None:
        return coerce(spec, spec.default, open_file, text=False)
    try:
        return coerce(spec, _example(spec, name), open_file, text=False)
    except (BadValue, NoPlaceholder):
        raise NoPlaceholder(f"no value is known that {name} takes: give it a default") from None


def other_value(value: Value) -> Value:
    """Return another value of the same shape, to see what depends on it."""
    match value:
        case bool() | None:
            return value  # what a branch leads to is no guess
        case int():
            return value + 1
        case float():
            return value + 0.5
        case str():
            return f"{value}-other"
        case FileValue():
            return replace(value, filename=f"other-{value.filename}", sha256=None)
        case list():
            return [other_value(each) for each in value]
    return value


@singledispatch
def _example(spec: InputSpec, name: str) -> Any:
    return placeholder_file(name, spec.type)


@_example.register(StringInput)
@_example.register(TextInput)
def _(spec: StringInput | TextInput, _name: str) -> str:
    fitting = [each for each in _EXAMPLES if spec.pattern is None or re.fullmatch(spec.pattern, each)]
    short, long = spec.min_length or 0, spec.max_length if spec.max_length is not None else math.inf
    for each in fitting:
        if short <= len(each) <= long:
            return each
    return (WORD * (short // len(WORD) + 1))[: max(short, int(min(long, len(WORD))))]


@_example.register(IntegerInput)
def _(spec: IntegerInput, _name: str) -> int:
    step = spec.multiple_of or 1
    if spec.minimum is not None:
        return -(-spec.minimum // step) * step
    return min(step, spec.maximum // step * step) if spec.maximum is not None else step


@_example.register(NumberInput)
def _(spec: NumberInput, _name: str) -> float:
    step = spec.multiple_of
    if spec.minimum is not None:
        return math.ceil(spec.minimum / step) * step if step else spec.minimum
    if spec.maximum is not None and spec.maximum < (step or 1.0):
        return math.floor(spec.maximum / step) * step if step else spec.maximum
    return step or 1.0


@_example.register(BooleanInput)
def _(_spec: BooleanInput, _name: str) -> bool:
    return False


@_example.register(ChoiceInput)
def _(spec: ChoiceInput, _name: str) -> Any:
    return spec.choices[0]


@_example.register(SeedInput)
def _(spec: SeedInput, _name: str) -> int:
    return seed_range(spec)[0]


@_example.register(ModelInput)
def _(_spec: ModelInput, _name: str) -> str:
    return f"{WORD}.safetensors"


@_example.register(JsonInput)
def _(_spec: JsonInput, _name: str) -> Any:
    raise NoPlaceholder("JSON may be anything")


@_example.register(ListInput)
def _(spec: ListInput, name: str) -> list[Any]:
    return [_example(spec.items, f"{name}-{index}") for index in range(max(spec.min_items or 0, 1))]
