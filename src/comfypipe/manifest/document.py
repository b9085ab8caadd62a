"""YAML text as a tree of nodes with positions, bounded in size, depth and what aliases may blow up to."""

import math
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from msgspec import Struct

from comfypipe.diagnostics import Diagnostic, Source

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 50
MAX_NODES = 100_000

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Odd(Struct, frozen=True):
    """A scalar that is refused wherever it stands, why, and what to write instead."""

    problem: str
    hint: str | None = None


class Scalar(Struct):
    """A single value, as written; *line* and *column* count from 1."""

    line: int
    column: int
    text: str
    plain: bool
    tag: str | None = None
    size: int = 1
    depth: int = 1

    def value(self) -> "str | int | float | bool | Odd | None":
        """Return what the text stands for, by the core rules of YAML 1.2; `Odd` where readers disagree."""
        if self.tag is not None and self.tag not in ("!", "tag:yaml.org,2002:str"):
            return Odd(f"the tag {self.tag} is not read here", "leave the tag out")
        if self.plain and self.tag is None:
            return _resolve(self.text)
        return self.text


class Sequence(Struct):
    """A list."""

    line: int
    column: int
    items: "list[YamlNode]" = []
    tag: str | None = None
    size: int = 1
    depth: int = 1


class Mapping(Struct):
    """Keys with values, in the order of the text; keys that ``<<`` brought in come last."""

    line: int
    column: int
    pairs: "list[tuple[YamlNode, YamlNode]]" = []
    tag: str | None = None
    size: int = 1
    depth: int = 1

    def find(self, key: str) -> "tuple[YamlNode, YamlNode] | None":
        """Return the key and the value that stand under *key*."""
        for name, value in self.pairs:
            if isinstance(name, Scalar) and name.text == key:
                return name, value
        return None


YamlNode: TypeAlias = Scalar | Sequence | Mapping


class YamlProblem(Exception):
    """The text is not one bounded YAML document; carries the diagnostic."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


def parse_yaml(text: str, shown: str) -> YamlNode:
    """
    Read one YAML document.

    Args:
        shown: The file's name in diagnostics.

    Raises:
        YamlProblem: When it cannot be read, is empty, or is larger than any manifest.
    """
    if len(text) > MAX_CHARACTERS:
        raise _problem(
            shown, 1, 1, f"the file has {len(text)} characters; at most {MAX_CHARACTERS} are read", "too-large"
        )
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - text.rfind("\n", 0, found.start())
        raise _problem(shown, line, column, f"the character U+{ord(found.group()):04X} may not stand in YAML")
    try:
        return _Composer(shown, _events(text, pure=False)).document()
    except YamlProblem as error:
        # libyaml before 0.2 refuses a colon inside a plain scalar in { } or [ ], which YAML 1.2 allows: {url: https://x}
        if "found unexpected ':'" not in error.diagnostic.message:
            raise
        return _Composer(shown, _events(text, pure=True)).document()


def _events(text: str, *, pure: bool) -> Iterator[Any]:
    parser_class = None if pure else _c_parser()
    if parser_class is None:
        from ruamel.yaml import YAML

        yield from YAML(typ="safe", pure=True).parse(text)
        return
    parser = parser_class(text)
    while parser.check_event():
        yield parser.get_event()


def _c_parser() -> Any:
    try:
        from ruamel.yaml import cyaml
    except ImportError:  # ruamel.yaml has no C extension on this platform
        return None
    return getattr(cyaml, "CParser", None)


class _Composer:
    """Makes the tree out of parse events, one at a time, so that a bound is met before the memory is used."""

    def __init__(self, shown: str, events: Iterator[Any]) -> None:
        self._shown = shown
        self._events = events
        self._anchors: dict[str, YamlNode] = {}
        self._nodes = 0

    def document(self) -> YamlNode:
        """Return the root of the only document."""
        self._next("StreamStartEvent")
        event = self._next()
        if type(event).__name__ == "StreamEndEvent":
            raise _problem(self._shown, 1, 1, "the file is empty", hint="a manifest begins with apiVersion and kind")
        root = self._node(self._next(), 1)
        self._next("DocumentEndEvent")
        event = self._next()
        if type(event).__name__ != "StreamEndEvent":
            raise self._at(event, "a second document begins here", hint="one manifest a file")
        return root

    def _next(self, _expected: str = "") -> Any:
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            return next(self._events)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            message = ", ".join(each for each in (error.problem, error.context) if each)
            raise _problem(self._shown, line, column, message or "not YAML") from None
        except (YAMLError, UnicodeError, ValueError) as error:
            raise _problem(self._shown, 1, 1, " ".join(str(error).split()) or "not YAML") from None

    def _node(self, event: Any, depth: int) -> YamlNode:
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event)
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise self._at(event, f"nested deeper than {MAX_DEPTH} levels", code="too-large")
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        node: YamlNode
        if kind == "ScalarEvent":
            plain = not event.style or event.style == "plain"
            node = Scalar(line, column, event.value, plain, event.tag)
        elif kind == "SequenceStartEvent":
            node = self._sequence(Sequence(line, column, tag=event.tag), depth)
        else:
            node = self._mapping(Mapping(line, column, tag=event.tag), depth)
        if node.size > MAX_NODES:
            raise self._at(
                event, f"more than {MAX_NODES} values, aliases counted as what they stand for", code="too-large"
            )
        if event.anchor:
            self._anchors[str(event.anchor)] = node
        return node

    def _alias(self, event: Any) -> YamlNode:
        name = str(event.anchor)
        if name not in self._anchors:
            raise self._at(event, f"nothing above is anchored as &{name}")
        return self._anchors[name]

    def _sequence(self, node: Sequence, depth: int) -> Sequence:
        while type(event := self._next()).__name__ != "SequenceEndEvent":
            item = self._node(event, depth + 1)
            node.items.append(item)
            self._grow(node, item, event, depth)
        return node

    def _mapping(self, node: Mapping, depth: int) -> Mapping:
        merges: list[tuple[Any, YamlNode]] = []
        while type(event := self._next()).__name__ != "MappingEndEvent":
            key = self._node(event, depth + 1)
            value = self._node(self._next(), depth + 1)
            if isinstance(key, Scalar) and key.plain and key.text == "<<":
                merges.append((event, value))
            else:
                node.pairs.append((key, value))
            self._grow(node, key, event, depth)
            self._grow(node, value, event, depth)
        for event, value in merges:
            self._merge(node, value, event)
        return node

    def _merge(self, node: Mapping, value: YamlNode, event: Any) -> None:
        sources = value.items if isinstance(value, Sequence) else [value]
        present = {key.text for key, _ in node.pairs if isinstance(key, Scalar)}
        for source in sources:
            if not isinstance(source, Mapping):
                raise self._at(event, "<< takes a mapping, or a list of mappings")
            fresh = [(key, held) for key, held in source.pairs if isinstance(key, Scalar) and key.text not in present]
            node.pairs.extend(fresh)
            present.update(key.text for key, _ in fresh if isinstance(key, Scalar))

    def _grow(self, node: Sequence | Mapping, child: YamlNode, event: Any, depth: int) -> None:
        node.size += child.size
        node.depth = max(node.depth, child.depth + 1)
        if node.size > MAX_NODES:
            message = f"more than {MAX_NODES} values, aliases counted as what they stand for"
            raise self._at(event, message, code="too-large")
        if depth + child.depth > MAX_DEPTH:
            raise self._at(event, f"nested deeper than {MAX_DEPTH} levels", code="too-large")

    def _at(self, event: Any, message: str, code: str = "yaml-syntax", hint: str | None = None) -> YamlProblem:
        return _problem(self._shown, event.start_mark.line + 1, event.start_mark.column + 1, message, code, hint)


def _problem(
    shown: str, line: int, column: int, message: str, code: str = "yaml-syntax", hint: str | None = None
) -> YamlProblem:
    return YamlProblem(Diagnostic(code, message, Source(shown, line, column), hint))


def _resolve(text: str) -> "str | int | float | bool | Odd | None":
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "0123456789+-.":
        return text
    if _LEADING_ZERO.fullmatch(text):
        return Odd(
            f"{text} is octal to some YAML readers and decimal to others",
            f'write {int(text[:20])}, 0o{text.lstrip("+-0")} or "{text}"',
        )
    if _INTEGER.fullmatch(text) or _BASED.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else Odd(f"{text} is too large for a number")
    if _NOT_FINITE.fullmatch(text):
        return Odd(f"{text} is not a finite number", f'quote it if text is meant: "{text}"')
    return text


def _whole(text: str) -> int | Odd:
    value = int(text, 0) if len(text) <= 32 else None
    if value is None or not -(1 << 63) <= value < 1 << 64:
        return Odd(f"{text[:40]} does not fit into 64 bits", "quote it if text is meant")
    return value
