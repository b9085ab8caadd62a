"""``%date:yyyy-MM-dd%`` and ``%Node.widget%`` in the names of saved files, as the editor fills them in."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property

from comfypipe._types import JSON
from comfypipe.importing.layout import UNSET
from comfypipe.importing.space import Space
from comfypipe.importing.ui_graph import UINode
from comfypipe.importing.values import as_text
from comfypipe.importing.virtual import PRIMITIVE, primitive_value

SAVING_NODES = frozenset(
    (
        "SaveImage",
        "SaveImageAdvanced",
        "SaveSVGNode",
        "SaveVideo",
        "SaveAnimatedWEBP",
        "SaveWEBM",
        "SaveAudio",
        "SaveAudioMP3",
        "SaveAudioOpus",
        "SaveAudioAdvanced",
        "SaveGLB",
        "Save3DAdvanced",
        "SaveGaussianSplat",
        "SavePointCloud",
        "SaveAnimatedPNG",
        "CLIPSave",
        "VAESave",
        "ModelSave",
        "LoraSave",
        "SaveLatent",
    )
)
"""Classes whose ``filename_prefix`` is filled in."""

_PATTERN = re.compile(r"%([^%]+)%")
_DATE = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1F\x7F]')


_NOTHING = object()


class Replacements:
    """
    The values that patterns in the texts of one graph stand for.

    Source: observed of frontend 1.58.1.
    """

    def __init__(self, root: Space, now: datetime) -> None:
        self._root = root
        self._now = now

    def fill_in(self, text: str) -> str:
        """
        Return *text* with its patterns replaced; those that name nothing stay as they are.

        A node is found by its property ``Node name for S&R``, else by its title; of several, the first.
        """
        return _PATTERN.sub(self._replacement, text)

    def _replacement(self, match: re.Match[str]) -> str:
        parts = match[1].split(".")
        if len(parts) != 2:
            return format_date(parts[0][5:], self._now) if parts[0].startswith("date:") else match[0]
        found = self._by_search_name.get(parts[0]) or self._by_title.get(parts[0])
        value = _NOTHING if found is None else _value(*found, parts[1])
        if value is _NOTHING:
            return match[0]
        return _UNSAFE.sub("_", "" if value is None or value is UNSET else as_text(value))

    @cached_property
    def _by_search_name(self) -> Mapping[str, tuple[Space, UINode]]:
        found = reversed([(as_text(_search_name(node)), space, node) for space, node in _all(self._root)])
        return {name: (space, node) for name, space, node in found if name}

    @cached_property
    def _by_title(self) -> Mapping[str, tuple[Space, UINode]]:
        found = reversed(
            [(node.title or space.catalog.title(node.type), space, node) for space, node in _all(self._root)]
        )
        return {name: (space, node) for name, space, node in found}


def _all(space: Space) -> Iterator[tuple[Space, UINode]]:
    for node in space.scope.nodes.values():
        yield space, node
        if node.id in space.children:
            yield from _all(space.children[node.id])


def _search_name(node: UINode) -> JSON:
    return node.properties.get("Node name for S&R", "" if node.type in SAVING_NODES else node.type)


def _value(space: Space, node: UINode, widget: str) -> JSON:
    if node.type == PRIMITIVE:
        return primitive_value(node) if widget == "value" else _NOTHING
    child = space.children.get(node.id)
    if child is None:
        return space.state(node).values.get(widget, _NOTHING)
    at = child.input_index.get(widget)
    return _NOTHING if at is None or child.border[at] is UNSET else child.border[at]


def format_date(pattern: str, now: datetime) -> str:
    """Return *now* by a pattern of ``d M h m s yy yyyy``; doubled letters pad with a zero."""
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def replace(match: re.Match[str]) -> str:
        token = match[0]
        if token[0] in parts:
            return str(parts[token[0]]).rjust(len(token), "0")
        return {"yy": str(now.year)[2:], "yyyy": str(now.year)}.get(token, token)

    return _DATE.sub(replace, pattern)
