"""YAML nodes beside the types of the schema: values where they fit, a diagnostic for each that does not."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect as types

from comfypipe.diagnostics import Diagnostic, Source, did_you_mean
from comfypipe.manifest.document import Mapping, Odd, Scalar, Sequence, YamlNode
from comfypipe.manifest.phrases import describe_node, known_keys, trap, type_name
from comfypipe.manifest.places import Path, dotted
from comfypipe.manifest.schema import PATTERN_RULES, ManifestSpec

INVALID: Any = object()
"""Stands for a value that was refused; its diagnostics have been noted."""


class Reader:
    """
    Reads nodes as values of the schema's types and notes every finding, so that one pass tells them all.

    An optional key whose value is refused takes its default, so that what depends on it can still be looked at.

    Attributes:
        diagnostics: What was found so far.
        dropped: Paths of the values that are missing from the result because they were refused.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self.diagnostics: list[Diagnostic] = []
        self.dropped: set[Path] = set()

    def read(self, expected: Any, node: YamlNode, path: Path = ()) -> Any:
        """Return *node* as a value of the `msgspec.inspect` type *expected*, or `INVALID`."""
        expected, _ = _unwrap(expected)
        if isinstance(node, Scalar) and isinstance(odd := node.value(), Odd):
            return self.note("wrong-type", f"{dotted(path)}: {odd.problem}", node, odd.hint)
        if not isinstance(node, Scalar) and node.tag is not None:
            return self.note("wrong-type", f"{dotted(path)}: the tag {node.tag} is not read here", node)
        value = self._fit(expected, node, path)
        if value is INVALID:
            return value
        return self._limits(expected, value, node, path)

    def note(self, code: str, message: str, node: YamlNode, hint: str | None = None) -> Any:
        """Note an error at *node*; returns `INVALID`."""
        self.diagnostics.append(Diagnostic(code, message, Source(self._shown, node.line, node.column), hint))
        return INVALID

    def _fit(self, expected: Any, node: YamlNode, path: Path) -> Any:
        match expected:
            case types.AnyType():
                return self._any(node, path)
            case types.UnionType():
                return self._union(expected, node, path)
            case types.StructType():
                return self.struct(expected, node, path)
            case types.DictType() if isinstance(node, Mapping):
                return self._dict(expected, node, path)
            case types.VarTupleType() if isinstance(node, Sequence):
                items = [self.read(expected.item_type, item, (*path, index)) for index, item in enumerate(node.items)]
                return self._keep(path, items)
            case types.FloatType() if isinstance(node, Scalar) and _is_scalar_of(expected, node.value()):
                return float(node.text) if not node.text.startswith(("0x", "0o")) else float(int(node.text, 0))
            case _ if isinstance(node, Scalar) and _is_scalar_of(expected, node.value()):
                return node.value()
            case types.LiteralType():
                return self._not_among(expected, node, path)
        return self._wrong_type([expected], node, path)

    def struct(self, expected: types.StructType, node: YamlNode, path: Path, required: bool = True) -> Any:
        """
        Return *node* as a struct.

        Args:
            required: Whether a required key that is missing or refused makes the whole invalid; else it is neutral.
        """
        if not isinstance(node, Mapping):
            return self._wrong_type([expected], node, path)
        fields = {field.encode_name: field for field in expected.fields}
        values: dict[str, Any] = {}
        for key, value in self._entries(node, path):
            if key.text == expected.tag_field:
                continue
            if key.text not in fields:
                self._unknown_key(key, value, expected, path)
            elif not (_is_null(value) and not fields[key.text].required):
                values[key.text] = self.read(fields[key.text].type, value, (*path, key.text))
        for name, field in fields.items():
            if field.required and name not in values:
                values[name] = self.note("missing-key", f"{dotted(path)} lacks {name}", node, _what_to_write(field))
        return self._build(expected, values, path, required)

    def _build(self, expected: types.StructType, values: dict[str, Any], path: Path, required: bool) -> Any:
        held: dict[str, Any] = {}
        for field in expected.fields:
            value = values.get(field.encode_name, INVALID)
            if value is not INVALID:
                held[field.name] = value
            elif field.encode_name in values:
                self.dropped.add((*path, field.encode_name))
                if field.required and required:
                    return INVALID
                if field.required:
                    held[field.name] = () if isinstance(_unwrap(field.type)[0], types.VarTupleType) else ""
        return expected.cls(**held)

    def _entries(self, node: Mapping, path: Path) -> Iterator[tuple[Scalar, YamlNode]]:
        seen: dict[str, Scalar] = {}
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                self.note("wrong-type", f"a key in {dotted(path)} is not text", key)
            elif key.text in seen:
                first = f"the first stands in line {seen[key.text].line}"
                self.note("duplicate-key", f'{dotted(path)} has the key "{key.text}" twice', key, first)
            else:
                seen[key.text] = key
                yield key, value

    def _unknown_key(self, key: Scalar, value: YamlNode, expected: types.StructType, path: Path) -> None:
        known = [field.encode_name for field in expected.fields]
        if expected.tag_field:
            known.append(expected.tag_field)
        hint = did_you_mean(key.text, known) or known_keys(expected)
        if _is_null(value) and " " in key.text:
            hint = "inside { } a comma ends a value: quote text that has commas"
        self.note("unknown-key", f'{dotted(path)} has no key "{key.text}"', key, hint)

    def _dict(self, expected: types.DictType, node: Mapping, path: Path) -> Any:
        result = {}
        for key, value in self._entries(node, path):
            kind, _ = _unwrap(expected.key_type)
            name = self._limits(kind, key.text, key, (*path, key.text))
            held = self.read(expected.value_type, value, (*path, key.text))
            if name is INVALID or held is INVALID:
                self.dropped.add((*path, key.text))
            else:
                result[name] = held
        return result

    def _any(self, node: YamlNode, path: Path) -> Any:
        if isinstance(node, Scalar):
            return node.value()
        if isinstance(node, Sequence):
            items = [self.read(types.AnyType(), item, (*path, index)) for index, item in enumerate(node.items)]
            return INVALID if INVALID in items else items
        held = {
            key.text: self.read(types.AnyType(), value, (*path, key.text)) for key, value in self._entries(node, path)
        }
        return INVALID if any(value is INVALID for value in held.values()) else held

    def _union(self, expected: types.UnionType, node: YamlNode, path: Path) -> Any:
        members = [_unwrap(each)[0] for each in expected.types]
        structs = [each for each in members if isinstance(each, types.StructType) and each.tag_field]
        if structs:
            return self._tagged(structs, node, path)
        for member in members:
            if _takes(member, node):
                value = self._fit(member, node, path)
                return value if value is INVALID else self._limits(member, value, node, path)
        return self._wrong_type(members, node, path)

    def _tagged(self, members: list[types.StructType], node: YamlNode, path: Path) -> Any:
        field = str(members[0].tag_field)
        names = [str(each.tag) for each in members]
        if not isinstance(node, Mapping):
            short = isinstance(node, Scalar) and node.text in names
            hint = f"write {{{field}: {node.text}}}" if short and isinstance(node, Scalar) else None
            return self._wrong_type(list(members), node, path, hint)
        found = node.find(field)
        if found is None:
            return self.note(
                "missing-key", f"{dotted(path)} lacks {field}", node, f"{field} is one of {', '.join(names)}"
            )
        _, tag = found
        if not isinstance(tag, Scalar) or tag.text not in names:
            text = tag.text if isinstance(tag, Scalar) else ""
            hint = did_you_mean(text, names) or f"{field} is one of {', '.join(names)}"
            return self.note(f"unknown-{field}", f'{dotted(path)}: there is no {field} "{text}"', tag, hint)
        return self.struct(members[names.index(tag.text)], node, path)

    def _not_among(self, expected: types.LiteralType, node: YamlNode, path: Path) -> Any:
        if not isinstance(node, Scalar):
            return self._wrong_type([expected], node, path)
        names = [str(each) for each in expected.values]
        hint = did_you_mean(node.text, names) or f"it takes {', '.join(names)}"
        return self.note("bad-value", f'{dotted(path)} does not take "{node.text}"', node, hint)

    def _limits(self, expected: Any, value: Any, node: YamlNode, path: Path) -> Any:
        """Check what the type says beyond its kind: patterns of names, ranges, lengths."""
        if isinstance(expected, types.StrType):
            if expected.pattern and not re.search(expected.pattern, value):
                return self.note(
                    "bad-name", f'{dotted(path)}: "{value}" cannot be a name', node, PATTERN_RULES[expected.pattern]
                )
            if expected.min_length and len(value) < expected.min_length:
                return self.note("bad-value", f"{dotted(path)} is empty", node)
        written = len(node.items) if isinstance(node, Sequence) else 0  # refused items are told by themselves
        if isinstance(expected, types.VarTupleType) and written < (expected.min_length or 0):
            return self.note("bad-value", f"{dotted(path)} is empty", node, "it takes at least one")
        if isinstance(expected, types.IntType | types.FloatType) and (limit := _outside(expected, value)):
            return self.note("bad-value", f"{dotted(path)} takes {limit}, not {value}", node)
        return value

    def _keep(self, path: Path, items: list[Any]) -> tuple[Any, ...]:
        self.dropped.update((*path, index) for index, item in enumerate(items) if item is INVALID)
        return tuple(item for item in items if item is not INVALID)

    def _wrong_type(self, expected: list[Any], node: YamlNode, path: Path, hint: str | None = None) -> Any:
        names = dict.fromkeys(type_name(each) for each in expected if not isinstance(each, types.NoneType))
        message = f"{dotted(path)} takes {' or '.join(names)}, not {describe_node(node)}"
        return self.note("wrong-type", message, node, hint or trap(expected, node))


@cache
def _types_of_manifests() -> dict[type, Any]:
    """Return the type information of each kind, made in one go: what they share is looked at once."""
    return {each.cls: each for each in types.type_info(ManifestSpec).types}  # type: ignore[attr-defined]


def _unwrap(expected: Any) -> tuple[Any, str | None]:
    described = None
    while isinstance(expected, types.Metadata):
        described = (expected.extra_json_schema or {}).get("description", described)
        expected = expected.type
    return expected, described


def _what_to_write(field: types.Field) -> str | None:
    expected, described = _unwrap(field.type)
    if isinstance(expected, types.LiteralType):
        return f"write {field.encode_name}: {expected.values[0]}"
    return described


def _is_null(node: YamlNode) -> bool:
    return isinstance(node, Scalar) and node.value() is None


def _is_scalar_of(expected: Any, value: Any) -> bool:
    match expected:
        case types.StrType():
            return isinstance(value, str)
        case types.BoolType():
            return isinstance(value, bool)
        case types.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case types.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case types.NoneType():
            return value is None
        case types.LiteralType():
            return value in expected.values
    return False


def _takes(expected: Any, node: YamlNode) -> bool:
    if isinstance(node, Sequence):
        return isinstance(expected, types.VarTupleType)
    if isinstance(node, Mapping):
        return isinstance(expected, types.StructType | types.DictType)
    return _is_scalar_of(expected, node.value())


def _outside(expected: Any, value: float) -> str | None:
    if expected.ge is not None and value < expected.ge:
        return f"at least {expected.ge}"
    if expected.gt is not None and value <= expected.gt:
        return f"more than {expected.gt}"
    if expected.le is not None and value > expected.le:
        return f"at most {expected.le}"
    return None


def read_struct(kind: type[msgspec.Struct], node: YamlNode, shown: str) -> tuple[Any, Reader]:
    """Read the root of a manifest; the value is there even where required keys are not, to look further."""
    reader = Reader(shown)
    return reader.struct(_types_of_manifests()[kind], node, (), required=False), reader
