"""A manifest as a value: its spec, and where each part of it stands in the file."""

from dataclasses import dataclass, field
from pathlib import Path

from comfypipe.diagnostics import Source
from comfypipe.manifest.document import Mapping, Sequence, YamlNode
from comfypipe.manifest.schema import PipelineSpec, WorkflowSpec


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    A manifest that was read.

    Attributes:
        name: What commands call it.
        path: The file.
        shown: The file relative to the project's root, as diagnostics show it.
    """

    name: str
    path: Path
    shown: str
    spec: WorkflowSpec | PipelineSpec
    root: YamlNode = field(repr=False, compare=False)

    def source(self, *keys: str | int) -> Source:
        """
        Return the place of the value at this path of keys and list indices.

        What is not there has the place of its nearest parent's key.
        """
        node, place = self.root, Source(self.shown, self.root.line, self.root.column)
        for key in keys:
            found = _child(node, key)
            if found is None:
                return place
            above, node = found
            place = Source(self.shown, above.line, above.column)
        return Source(self.shown, node.line, node.column) if keys else place

    def key_source(self, *keys: str | int) -> Source:
        """Return the place of the last key itself; like `source` for a list's items."""
        place = Source(self.shown, self.root.line, self.root.column)
        node = self.root
        for key in keys:
            found = _child(node, key)
            if found is None:
                return place
            above, node = found
            place = Source(self.shown, above.line, above.column)
        return place


def _child(node: YamlNode, key: str | int) -> tuple[YamlNode, YamlNode] | None:
    if isinstance(node, Mapping):
        return node.find(str(key))
    if isinstance(node, Sequence) and isinstance(key, int) and key < len(node.items):
        return node.items[key], node.items[key]
    return None
