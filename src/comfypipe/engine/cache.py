"""Results of nodes, kept between prompts: found by content, bounded in bytes and number."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.engine.values import compact, size_bytes

_ENTRY_BYTES = 1024
"""What an entry costs beside its values."""

_MOST = 10_000
"""So many entries are kept, however small they are: nobody comes back to older ones, and memory would grow for long."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What a node gave.

    Attributes:
        outputs: For each slot the list of its values; one value, unless lists are passed.
        ui: What it showed, for nodes that do.
    """

    outputs: tuple[tuple[Any, ...], ...]
    ui: JSONObject | None


class Cache:
    """
    The least recently used results go first when the bound is reached. Safe to use from several threads.

    Args:
        limit_bytes: Bound on the values that are kept; 0 keeps nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self._entries: OrderedDict[bytes, tuple[Entry, int]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Entry | None:
        """Return what is kept under *key*, and count it as used."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: bytes, entry: Entry) -> None:
        """Keep *entry*, unless it alone is over the bound."""
        if not self.limit_bytes:
            return
        entry = Entry(tuple(tuple(compact(value) for value in values) for values in entry.outputs), entry.ui)
        size = _ENTRY_BYTES + size_bytes(entry.outputs)
        with self._lock:
            self._drop(key)
            if size <= self.limit_bytes:
                self._entries[key] = (entry, size)
                self.size_bytes += size
            while self.size_bytes > self.limit_bytes or len(self._entries) > _MOST:
                self._drop(next(iter(self._entries)))

    def discard(self, key: bytes) -> None:
        """Forget what is kept under *key*, if anything."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.size_bytes = 0

    def _drop(self, key: bytes) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self.size_bytes -= found[1]
