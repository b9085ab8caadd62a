"""What a template or an export gives: the prompt document, and where each part of it was written."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

from comfypipe._types import JSONObject
from comfypipe.diagnostics import Source
from comfypipe.template.scan import key_offsets

Place: TypeAlias = tuple[str, int]
"""Name of a template and a line in it."""

Piece: TypeAlias = tuple[str, Place, bool]
"""
Some text, where it begins, and whether it stands there as it is: a literal piece goes on through the lines that it
spans, while what an expression wrote belongs to the expression's line.
"""

_INPUT_DEPTH = 3  # node id, "inputs", name


@dataclass(frozen=True)
class SourceMap:
    """
    Which line each piece of a text was written in.

    Nothing is computed before somebody asks: a render only keeps the pieces that it joins anyway, with the place of
    each. Asking scans the text once for the keys of nodes and inputs.

    Attributes:
        pieces: The text, cut where its origin changes.
        files: By template name, the path as shown to the user and the file itself.
    """

    pieces: Sequence[Piece]
    files: Mapping[str, tuple[str, Path]]

    def at(self, offset: int, needle: str | None = None) -> Source:
        """
        Return the place of the character at *offset*.

        The line is exact. So is the column where the piece spans a line break before it; else it is where *needle*
        stands in that line of the file, and 1 where it does not.
        """
        index = min(max(bisect_right(self._starts, offset) - 1, 0), len(self.pieces) - 1)
        text, (name, line), literal = self.pieces[index]
        shown, path = self.files[name]
        if not literal:
            return Source(shown, line, 1)
        before = text[: offset - self._starts[index]]
        line += before.count("\n")
        if "\n" in before or (index == 0 and line == 1):
            return Source(shown, line, len(before) - before.rfind("\n"))
        return Source(shown, line, _column(path, line, needle))

    def key(self, *path: str) -> Source | None:
        """Return the place of the key that *path* leads to, or None where there is none."""
        offset = self._offsets.get(path)
        return None if offset is None else self.at(offset, f'"{path[-1]}"')

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join([text for text, _, _ in self.pieces])

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(len(text) for text, _, _ in self.pieces[:-1])]

    @cached_property
    def _offsets(self) -> dict[tuple[str | None, ...], int]:
        return key_offsets(self.text, _INPUT_DEPTH)


@dataclass(frozen=True)
class Rendered:
    """
    A prompt document with the places that its parts came from.

    Attributes:
        document: The prompt in API format.
    """

    document: JSONObject
    _map: SourceMap = field(repr=False, compare=False)
    _shown: str = field(repr=False, compare=False)

    def source(self, node_id: str, input_name: str | None = None) -> Source:
        """
        Return where an input of a node, or the node, was written: the line of its key.

        In a template that is the line of the template, macro or included file that wrote it, whatever loop it stands
        in. The best known place is returned: for an input that is not there its node's, for a node that is not there
        the file's first line.
        """
        place = self._map.key(node_id, "inputs", input_name) if input_name is not None else None
        return place or self._map.key(node_id) or Source(self._shown)


def _column(path: Path, line: int, needle: str | None) -> int:
    if needle is None:
        return 1
    try:
        text = path.read_text("utf-8-sig").splitlines()[line - 1]
    except (OSError, UnicodeError, IndexError):  # changed since: the line alone is still the best that is known
        return 1
    return text.find(needle) + 1 or 1
