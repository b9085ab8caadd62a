"""How messages speak of types and of what stands in a file, with what to write instead."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import inspect as types

from comfypipe.manifest import document
from comfypipe.manifest.document import Scalar, Sequence, YamlNode
from comfypipe.manifest.values import shortened


def known_keys(expected: types.StructType) -> str:
    """Return the hint that lists a struct's keys."""
    names = [field.encode_name for field in expected.fields]
    tagged = [expected.tag_field] if expected.tag_field else []
    return f"its keys are {', '.join([*tagged, *names])}"


_NAMES: Mapping[Any, str] = {
    types.StrType: "text",
    types.IntType: "an integer",
    types.FloatType: "a number",
    types.BoolType: "true or false",
    types.VarTupleType: "a list",
    types.DictType: "a mapping",
    types.StructType: "a mapping",
}


def type_name(expected: Any) -> str:
    """Return what a `msgspec.inspect` type takes, in words."""
    if isinstance(expected, types.LiteralType):
        return " or ".join(str(each) for each in expected.values)
    return _NAMES[type(expected)]


def describe_node(node: YamlNode) -> str:
    """Return what stands in the file, in words."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, document.Mapping):
        return "a mapping"
    value = node.value()
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return node.text
    return f"the number {node.text}" if isinstance(value, int | float) else f'the text "{shortened(node.text)}"'


def trap(expected: list[Any], node: YamlNode) -> str | None:
    """Say what to write instead, where YAML reads something else than was probably meant."""
    kinds = tuple(type(each) for each in expected)
    if isinstance(node, Sequence):
        is_mapping = types.StructType in kinds or types.DictType in kinds
        return "write KEY: VALUE, without dashes" if is_mapping else None
    if not isinstance(node, Scalar):
        return None
    value = node.value()
    if types.StrType in kinds and value is not None:
        return f'quote it: "{node.text}"'
    if types.VarTupleType in kinds and value is not None:
        return f"write [{node.text}]"
    if types.BoolType in kinds and isinstance(value, str) and node.text.lower() in _BOOLEANS:
        return f"only true and false are booleans in YAML 1.2: write {_BOOLEANS[node.text.lower()]}"
    if types.IntType in kinds or types.FloatType in kinds:
        return number_hint(value)
    return None


_BOOLEANS = {
    **dict.fromkeys(("yes", "on", "y", "true"), "true"),
    **dict.fromkeys(("no", "off", "n", "false"), "false"),
}


def number_hint(value: object) -> str | None:
    """Return what to write for a number that is written as text, or for an integer written as a fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return f"write {int(value)}"
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9][0-9_]*(\.[0-9]+)?", value):
        return (
            f"write {value.replace('_', '')}, without quotes" if "_" not in value else f"write {value.replace('_', '')}"
        )
    return None
