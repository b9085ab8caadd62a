"""One value and the declaration of its input: the value as declared, or what is wrong with it."""

import math
import operator
import re
from collections.abc import Callable
from functools import singledispatch
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from comfypipe.diagnostics import did_you_mean
from comfypipe.manifest.phrases import number_hint
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
    SeedInput,
    StringInput,
    TextInput,
)
from comfypipe.manifest.values import FileValue, Value, describe, shortened

SEED_MAXIMUM = (1 << 64) - 1
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_MAX_JSON_DEPTH = 50

_Number = TypeVar("_Number", int, float)

OpenFile: TypeAlias = Callable[[object, str], FileValue]
"""Makes a file of what was given for it (a path, a URL, a stored output) and the media type; raises `BadValue`."""


class BadValue(Exception):
    """
    A value does not fit its input.

    Attributes:
        problem: Begins with a verb whose subject is the input: ``takes an integer, not the text "x"``.
        place: Indices of the item within lists.
        certain: Whether every value of this shape is wrong, not only this one: its type is, or a list is too long.
    """

    def __init__(self, problem: str, hint: str | None = None, *, certain: bool = False) -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint
        self.certain = certain
        self.place: tuple[int, ...] = ()


def coerce(spec: InputSpec, value: object, open_file: OpenFile, *, text: bool) -> Value:
    """
    Return *value* as the input's declared type.

    Args:
        text: Whether text may stand for another type, as it does on a command line: ``"7"`` for 7.

    Raises:
        BadValue: It does not fit.
    """
    return _by_type(spec, value, _How(open_file, text))


class _How(Struct, frozen=True):
    open_file: OpenFile
    text: bool


@singledispatch
def _by_type(spec: InputSpec, value: object, how: _How) -> Value:
    """Coerce to an input of any type that has no rule of its own below: one whose value is a file."""
    if spec.type not in MEDIA_TYPES:
        raise TypeError(f"no rule for inputs of type {spec.type}")
    file = value if isinstance(value, FileValue) and not _needs_opening(value) else how.open_file(value, spec.type)
    if not fits(file.media, spec.type):
        raise _wrong(describe(FileValue("", spec.type)), file)
    return file if file.media == spec.type else replace(file, media=spec.type)


def _needs_opening(file: FileValue) -> bool:
    return file.path is not None and file.sha256 is None


def fits(held: str, wanted: str) -> bool:
    """Whether a file of the media type *held* can go where *wanted* is asked for."""
    return held == wanted or "file" in (held, wanted) or {held, wanted} == {"image", "mask"}


def _wrong(expected: str, value: object, hint: str | None = None) -> BadValue:
    return BadValue(f"takes {expected}, not {describe(value)}", hint, certain=True)


@_by_type.register(StringInput)
@_by_type.register(TextInput)
def _(spec: StringInput | TextInput, value: object, _how: _How) -> str:
    if not isinstance(value, str):
        hint = f'as text it is "{value}"' if isinstance(value, int | float) else None
        raise _wrong("text", value, hint)
    if spec.min_length is not None and len(value) < spec.min_length:
        raise BadValue(f"takes at least {_characters(spec.min_length)}, not {len(value)}")
    if spec.max_length is not None and len(value) > spec.max_length:
        raise BadValue(f"takes at most {_characters(spec.max_length)}, not {len(value)}")
    if spec.pattern is not None and not re.fullmatch(spec.pattern, value):
        raise BadValue(f'takes text that matches {spec.pattern}, not "{shortened(value)}"')
    return value


def _characters(count: int) -> str:
    return f"{count} character{'' if count == 1 else 's'}"


@_by_type.register(IntegerInput)
def _(spec: IntegerInput, value: object, how: _How) -> int:
    return _in_range(spec, _integer(value, how.text))


@_by_type.register(NumberInput)
def _(spec: NumberInput, value: object, how: _How) -> float:
    return _in_range(spec, _number(value, how.text))


def _integer(value: object, text: bool) -> int:
    if text and isinstance(value, str) and re.fullmatch(r"\s*[-+]?[0-9]{1,40}\s*", value, re.ASCII):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise _wrong("an integer", value, number_hint(value))
    whole = operator.index(value)
    if not -(1 << 63) <= whole < 1 << 64:
        raise BadValue(f"takes integers of 64 bits, not {describe(whole)}")
    return whole


def _number(value: object, text: bool) -> float:
    if text and isinstance(value, str) and re.fullmatch(_DECIMAL, value, re.ASCII):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong("a number", value, number_hint(value))
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadValue(f"takes a finite number, not {shortened(str(value))}")
    return number


_DECIMAL = r"\s*[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*"


def _in_range(spec: IntegerInput | NumberInput, value: _Number) -> _Number:
    if spec.minimum is not None and value < spec.minimum:
        raise BadValue(f"takes at least {_shown(spec.minimum)}, not {_shown(value)}")
    if spec.maximum is not None and value > spec.maximum:
        raise BadValue(f"takes at most {_shown(spec.maximum)}, not {_shown(value)}")
    if spec.multiple_of is not None and not _is_multiple(value, spec.multiple_of):
        nearest = round(value / spec.multiple_of) * spec.multiple_of
        raise BadValue(f"takes multiples of {_shown(spec.multiple_of)}, not {_shown(value)}", f"try {_shown(nearest)}")
    return value


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    count = value / step  # 0.3 is a multiple of 0.1 to people, though not in binary fractions
    return math.isclose(count, round(count), rel_tol=1e-9, abs_tol=1e-9)


def _shown(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@_by_type.register(SeedInput)
def _(spec: SeedInput, value: object, how: _How) -> int:
    seed = _integer(value, how.text)
    smallest, largest = seed_range(spec)
    if not smallest <= seed <= largest:
        raise BadValue(f"takes seeds from {smallest} to {largest}, not {seed}")
    return seed


def seed_range(spec: SeedInput) -> tuple[int, int]:
    """Return the smallest and the largest seed that *spec* allows."""
    return spec.minimum or 0, SEED_MAXIMUM if spec.maximum is None else spec.maximum


@_by_type.register(BooleanInput)
def _(_spec: BooleanInput, value: object, how: _How) -> bool:
    if how.text and isinstance(value, str) and value.strip().lower() in _TRUE + _FALSE:
        return value.strip().lower() in _TRUE
    if not isinstance(value, bool):
        raise _wrong("true or false", value)
    return value


@_by_type.register(ChoiceInput)
def _(spec: ChoiceInput, value: object, how: _How) -> str | int | float:
    for choice in spec.choices:
        if not isinstance(value, bool) and value == choice and isinstance(value, str) == isinstance(choice, str):
            return choice
    for choice in spec.choices:
        if how.text and isinstance(value, str) and value.strip() == str(choice):
            return choice
    names = [str(choice) for choice in spec.choices]
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise _wrong(f"one of {', '.join(names)}", value)
    hint = did_you_mean(str(value), names)
    raise BadValue(f"takes one of {', '.join(names)}, not {shortened(str(value))}", hint)


@_by_type.register(ModelInput)
def _(_spec: ModelInput, value: object, _how: _How) -> str:
    if not isinstance(value, str):
        raise _wrong("the file name of a model", value)
    parts = value.replace("\\", "/").split("/")
    if not value.strip() or ".." in parts or "" in parts or ":" in value:
        raise BadValue(
            f'takes the file name of a model, not "{shortened(value)}"',
            "it is relative to its folder below models/, such as style/ink.safetensors",
        )
    return value


@_by_type.register(JsonInput)
def _(_spec: JsonInput, value: object, how: _How) -> Any:
    if how.text and isinstance(value, str):
        try:
            value = _parse_json(value)
        except (ValueError, RecursionError):
            quoted = shortened(str(value)).replace('"', r"\"")
            raise _wrong("JSON", value, f'text as JSON has quotes: "{quoted}"') from None
    _check_json(value, 0)
    return value


def _parse_json(text: str) -> Any:
    import json  # not on the way to listing manifests

    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _check_json(value: object, depth: int) -> None:
    if depth > _MAX_JSON_DEPTH:
        raise BadValue(f"takes JSON of at most {_MAX_JSON_DEPTH} levels")
    match value:
        case None | str() | bool() | int():
            return
        case float() if math.isfinite(value):
            return
        case list():
            for each in value:
                _check_json(each, depth + 1)
        case dict() if all(isinstance(key, str) for key in value):
            for each in value.values():
                _check_json(each, depth + 1)
        case _:
            raise _wrong("JSON", value)


@_by_type.register(ListInput)
def _(spec: ListInput, value: object, how: _How) -> list[Any]:
    if how.text and isinstance(value, str):
        value = _split(value)
    elif isinstance(value, FileValue) and spec.items.type in MEDIA_TYPES:
        value = [value]  # an output holds one file or several: a list takes either
    if not isinstance(value, list | tuple):
        raise _wrong("a list", value)
    if spec.min_items is not None and len(value) < spec.min_items:
        raise BadValue(f"takes at least {_items(spec.min_items)}, not {len(value)}")
    if spec.max_items is not None and len(value) > spec.max_items:
        raise BadValue(f"takes at most {_items(spec.max_items)}, not {len(value)}", certain=True)
    return [_item(spec.items, each, index, how) for index, each in enumerate(value)]


def _items(count: int) -> str:
    return f"{count} item{'' if count == 1 else 's'}"


def _item(spec: InputSpec, value: object, index: int, how: _How) -> Value:
    try:
        return _by_type(spec, value, how)
    except BadValue as error:
        error.place = (index, *error.place)
        raise


def _split(text: str) -> list[Any]:
    """Read a list as it is written on a command line: JSON, or items between commas."""
    if text.lstrip().startswith("["):
        try:
            items = _parse_json(text)
        except (ValueError, RecursionError):
            raise _wrong("a list", text, 'write it as JSON, ["a", "b"], or with commas, a,b') from None
        return list(items)
    return [each.strip() for each in text.split(",")] if text.strip() else []
