"""Values that pass between nodes: how big they are, and how they are kept safe from each other."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def size_bytes(value: Any) -> int:
    """
    Return about how much memory *value* holds; arrays that occur twice count once.

    Looks into containers, dataclasses and plain objects, so that a video counts its frames.
    """
    seen: set[int] = set()
    waiting = [value]
    total = 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        total += item.nbytes if isinstance(item, np.ndarray) else sys.getsizeof(item, 64)
        waiting.extend(_parts(item))
    return total


def _parts(item: Any) -> Iterator[Any]:
    if item is None or isinstance(item, (str, bytes, int, float, bool, np.ndarray, type)):
        return
    if isinstance(item, Mapping):
        yield from item.values()
    elif isinstance(item, (list, tuple, set, frozenset)):
        yield from item
    elif is_dataclass(item):
        for each in fields(item):
            yield getattr(item, each.name, None)
    else:
        yield from getattr(item, "__dict__", {}).values()


def freeze(value: Any) -> Any:
    """
    Return *value* with its arrays made read-only, where they lie bare or in a dict (``AUDIO``, ``LATENT``).

    A node that writes into its input would change what other nodes, and later prompts, get; this makes it an error.
    """
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, dict):
        for item in value.values():
            if isinstance(item, np.ndarray):
                item.flags.writeable = False
    return value


def compact(value: Any) -> Any:
    """Return *value*, copied where it is a small view that keeps a much larger array alive."""
    base = getattr(value, "base", None) if isinstance(value, np.ndarray) else None
    if isinstance(base, np.ndarray) and base.nbytes > 2 * value.nbytes:
        return freeze(value.copy())
    return value


def describe(value: Any) -> Any:
    """Return *value* as it is shown in an error: numbers and strings as they are, arrays by shape and type."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.ndarray):
        return f"array(shape={value.shape}, dtype={value.dtype})"
    if isinstance(value, Mapping):
        return str({key: describe(item) for key, item in value.items()})
    return str(value)
