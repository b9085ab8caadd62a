"""Where the parts of a manifest stand, for rules that look at its values."""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from msgspec import Struct

from comfypipe.diagnostics import Diagnostic, Source

Path: TypeAlias = tuple[str | int, ...]
"""Keys and indices that lead to a value: ``("steps", 0, "inputs", "width")``."""


def dotted(path: Path) -> str:
    """Return a path of keys as messages show it: ``steps[1].inputs.width``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.lstrip(".") or "the manifest"


class Places(Struct, frozen=True):
    """
    The places of one manifest's values.

    Attributes:
        source: Gives the place of the value at a path of keys.
        key_source: Gives the place of the key at a path of keys.
        dropped: Paths that the reader has refused already: nothing is said of them again.
    """

    source: Callable[..., Source]
    key_source: Callable[..., Source]
    dropped: AbstractSet[Path] = frozenset()

    def error(self, code: str, message: str, path: Path, hint: str | None = None) -> Diagnostic:
        """Return an error at the value that *path* leads to."""
        return Diagnostic(code, message, self.source(*path), hint)

    def kept(self, path: Path, items: tuple[Any, ...]) -> Iterator[tuple[int, Any]]:
        """Pair the items that the reader kept with their indices in the file."""
        index = 0
        for item in items:
            while (*path, index) in self.dropped:
                index += 1
            yield index, item
            index += 1
