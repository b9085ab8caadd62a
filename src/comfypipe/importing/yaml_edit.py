"""Edits to a YAML text that leave the rest of it, comments and layout included, exactly as it is."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from comfypipe._types import JSON
from comfypipe.importing.yaml_text import entry_text, flow, item_text


@dataclass(slots=True)
class _Changes:
    """What is to happen to the entries of one mapping or list."""

    removed: set[int] = field(default_factory=set)
    added: list[tuple[str, JSON]] = field(default_factory=list)


class YamlText:
    """
    A YAML document of mappings, lists and single values, to be changed in places.

    Changes are collected, and made at once by `text`.
    """

    def __init__(self, text: str) -> None:
        from ruamel.yaml import YAML

        self._text = text if text.endswith("\n") or not text else f"{text}\n"
        self._root = YAML(typ="safe", pure=True).compose(self._text)
        self._replaced: dict[tuple[str | int, ...], JSON] = {}
        self._changes: dict[tuple[str | int, ...], _Changes] = {}

    def replace(self, path: Sequence[str | int], value: JSON) -> None:
        """Put *value* in the place of what is at *path*."""
        self._replaced[tuple(path)] = value

    def remove(self, path: Sequence[str | int]) -> None:
        """Remove the entry of a mapping, or the item of a list, at *path*; what is empty then goes, too."""
        parent = tuple(path[:-1])
        place = _place(self._find(parent), path[-1])
        if place is not None:
            self._of(parent).removed.add(place)

    def add(self, path: Sequence[str | int], name: str, value: JSON) -> None:
        """Add an entry at the end of the mapping at *path*, which is made where it is missing."""
        self._of(path).added.append((name, value))

    def append(self, path: Sequence[str | int], value: JSON) -> None:
        """Add an item at the end of the list at *path*, which is made where it is missing."""
        self._of(path).added.append(("", value))

    def text(self) -> str:
        """Return the document with all changes."""
        edits = [*self._replacements()]
        for path, changes in sorted(self._changes.items(), key=lambda each: -len(each[0])):
            edits.extend(self._container_edits(path, changes))
        text = self._text
        for _, (start, end, new) in sorted(enumerate(edits), key=lambda each: (each[1][0], each[0]), reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _of(self, path: Sequence[str | int]) -> _Changes:
        return self._changes.setdefault(tuple(path), _Changes())

    def _replacements(self) -> Iterator[tuple[int, int, str]]:
        for path, value in self._replaced.items():
            node = self._find(path)
            if node is None or node.start_mark.index < self._entry_start(path):  # an alias stands for another's value
                continue
            text = flow(value)
            if getattr(node, "style", None) in ("|", ">"):
                key_column = self._entry_start(path) - self._line_start(self._entry_start(path))
                text = entry_text("k", value, " " * key_column).lstrip().removeprefix("k: ").removesuffix("\n")
            yield node.start_mark.index, self._end(node), text

    def _container_edits(self, path: tuple[str | int, ...], changes: _Changes) -> Iterator[tuple[int, int, str]]:
        node = self._find(path)
        if node is None or not isinstance(node.value, list) or not node.value:
            if changes.added:
                yield self._new_container(path, node, changes)
        elif len(changes.removed) == len(node.value) and not changes.added and path:
            yield from self._removal(path)
        elif node.flow_style:
            yield from self._flow_edits(node, changes)
        else:
            yield from self._block_edits(node, changes)

    def _removal(self, path: tuple[str | int, ...]) -> Iterator[tuple[int, int, str]]:
        """Remove a whole entry: it has become empty."""
        parent = self._find(path[:-1])
        place = _place(parent, path[-1])
        if place is not None:
            yield from self._container_edits(path[:-1], _Changes({place}))

    def _flow_edits(self, node: Any, changes: _Changes) -> Iterator[tuple[int, int, str]]:
        spans = list(self._spans(node))
        last = len(spans) - 1
        for first, end in _runs(sorted(changes.removed)):
            start = spans[first - 1][1] if end == last and first > 0 else spans[first][0]
            yield start, spans[end][1] if end == last else spans[end + 1][0], ""
        if changes.added:
            separator = "" if len(changes.removed) == len(spans) else ", "
            added = (flow({name: value})[1:-1] if name else flow(value) for name, value in changes.added)
            at = node.end_mark.index - 1
            yield at, at, separator + ", ".join(added)

    def _block_edits(self, node: Any, changes: _Changes) -> Iterator[tuple[int, int, str]]:
        spans = list(self._spans(node))
        for at in changes.removed:
            yield self._line_start(spans[at][0]), self._line_end(spans[at][1]), ""
        if changes.added:
            indent = " " * self._indent_of(node)
            at = self._line_end(spans[-1][1])
            yield at, at, "".join(_written(name, value, indent) for name, value in changes.added)

    def _new_container(self, path: tuple[str | int, ...], node: Any, changes: _Changes) -> tuple[int, int, str]:
        """Make what is missing at *path*, or empty there, with what is to be added."""
        held: JSON = dict(changes.added) if changes.added[0][0] else [value for _, value in changes.added]
        if node is not None and node.start_mark.index == node.end_mark.index:  # nothing was written after the colon
            at = self._text.index(":", self._key(path).end_mark.index) + 1
            return at, at, f" {flow(held)}"
        if node is not None:
            return node.start_mark.index, node.end_mark.index, flow(held)
        end = len(self._text)
        return end, end, entry_text(str(path[-1]), held, "")

    def _find(self, path: Sequence[str | int]) -> Any:
        node = self._root
        for step in path:
            at = _place(node, step)
            if at is None:
                return None
            node = node.value[at][1] if _is_mapping(node) else node.value[at]
        return node

    def _key(self, path: Sequence[str | int]) -> Any:
        parent = self._find(path[:-1])
        return parent.value[_place(parent, path[-1])][0]

    def _entry_start(self, path: Sequence[str | int]) -> int:
        parent = self._find(path[:-1])
        place = _place(parent, path[-1])
        each = parent.value[place]
        return int((each[0] if isinstance(each, tuple) else each).start_mark.index)

    def _spans(self, node: Any) -> Iterator[tuple[int, int]]:
        """Yield where the entries of a mapping or list begin and end."""
        for each in node.value:
            first, last = each if isinstance(each, tuple) else (each, each)
            start = int(first.start_mark.index)
            is_alias = last.start_mark.index < start  # its node is the one that the name was given to
            yield start, self._end_of_alias(first) if is_alias else self._end(last)

    def _end_of_alias(self, key: Any) -> int:
        match = re.compile(r"\s*:\s*\*[^\s,\]}]+").match(self._text, key.end_mark.index)
        return match.end() if match else int(key.end_mark.index)

    def _end(self, node: Any) -> int:
        """Return where a node's own text ends: blanks and comments after a block are not of it."""
        if isinstance(node.value, list) and node.value and not node.flow_style:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        return start + len(self._text[start:end].rstrip())

    def _indent_of(self, node: Any) -> int:
        """Return the column at which a block's keys, or its dashes, stand."""
        if _is_mapping(node):
            return int(node.value[0][0].start_mark.column)
        start = node.value[0].start_mark.index
        return max(self._text[self._line_start(start) : start].rfind("-"), 0)

    def _line_start(self, at: int) -> int:
        return self._text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end + 1


def _place(node: Any, step: str | int) -> int | None:
    if _is_mapping(node):
        return next((at for at, (key, _) in enumerate(node.value) if key.value == step), None)
    is_list = node is not None and node.id == "sequence"
    return step if is_list and isinstance(step, int) and step < len(node.value) else None


def _is_mapping(node: Any) -> bool:
    return node is not None and node.id == "mapping"


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of consecutive places."""
    start = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at] != places[at - 1] + 1:
            yield places[start], places[at - 1]
            start = at


def _written(name: str, value: JSON, indent: str) -> str:
    return entry_text(name, value, indent) if name else item_text(value, indent)
