"""Arrays as PyTorch prints tensors: what clients see of a value that has no text of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DIGITS = 4
_EDGE_ITEMS = 3
_SUMMARY_FROM = 1000
"""Larger arrays show their first and last items only."""
_LINE_WIDTH = 80
_SCIENTIFIC_RATIO, _SCIENTIFIC_MAXIMUM, _SCIENTIFIC_MINIMUM = 1000.0, 1e8, 1e-4
_PREFIX = "tensor("
_DEFAULT_TYPES = ("float32", "int64", "bool")


def value_text(value: Any) -> str:
    """Return ``str(value)`` with every array in dicts, lists and tuples written as a tensor."""
    if isinstance(value, np.ndarray):
        return tensor_text(value)
    if type(value) is dict:
        return "{" + ", ".join(f"{_nested(key)}: {_nested(item)}" for key, item in value.items()) + "}"
    if type(value) in (list, tuple):
        items = ", ".join(map(_nested, value))
        return f"[{items}]" if type(value) is list else f"({items},)" if len(value) == 1 else f"({items})"
    return str(value)


def _nested(value: Any) -> str:
    return value_text(value) if isinstance(value, (np.ndarray, dict, list, tuple)) else repr(value)


def tensor_text(array: NDArray[Any]) -> str:
    """
    Write an array as ``tensor([...])``.

    Source: the look of ``torch.Tensor.__repr__`` with its default print options.
    """
    suffixes = []
    if array.size:
        body = _items(array, _Format.of(_shown(array)), len(_PREFIX))
    else:
        body = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={array.shape}")
    if array.dtype.name not in _DEFAULT_TYPES:
        suffixes.append(f"dtype=torch.{array.dtype.name}")
    text = _PREFIX + body
    for suffix in suffixes:
        last_line = len(text) - text.rfind("\n") + 1
        text += f",\n{' ' * len(_PREFIX)}" if last_line + len(suffix) + 2 > _LINE_WIDTH else ", "
        text += suffix
    return text + ")"


def _shown(array: NDArray[Any]) -> NDArray[Any]:
    if array.size <= _SUMMARY_FROM:
        return array
    for axis, size in enumerate(array.shape):
        if size > 2 * _EDGE_ITEMS:
            array = array.take([*range(_EDGE_ITEMS), *range(size - _EDGE_ITEMS, size)], axis)
    return array


@dataclass(frozen=True, slots=True)
class _Format:
    """How the numbers of one array are written: all alike and equally wide."""

    template: str
    width: int
    ends_with_point: bool = False

    @classmethod
    def of(cls, array: NDArray[Any]) -> "_Format":
        if not np.issubdtype(array.dtype, np.floating):
            return cls("{}", max(len(str(item)) for item in array.reshape(-1).tolist()))
        telling = [item for item in array.reshape(-1).tolist() if item and math.isfinite(item)]
        if not telling:
            return cls("{:.0f}", 1, ends_with_point=True)
        template, whole = _template(telling)
        point = whole and "e" not in template
        return cls(template, max(len(template.format(item)) for item in telling) + point, point)

    def write(self, item: Any) -> str:
        text = self.template.format(item)
        if self.ends_with_point and math.isfinite(item):
            text += "."
        return text.rjust(self.width)


def _template(numbers: Sequence[float]) -> tuple[str, bool]:
    greatest, least = max(map(abs, numbers)), min(map(abs, numbers))
    whole = all(item == math.ceil(item) for item in numbers)
    scientific = greatest / least > _SCIENTIFIC_RATIO or greatest > _SCIENTIFIC_MAXIMUM
    if scientific or (not whole and least < _SCIENTIFIC_MINIMUM):
        return f"{{:.{_DIGITS}e}}", whole
    return ("{:.0f}" if whole else f"{{:.{_DIGITS}f}}"), whole


def _items(array: NDArray[Any], style: _Format, indent: int, *, summarize: bool | None = None) -> str:
    summarize = array.size > _SUMMARY_FROM if summarize is None else summarize
    if array.ndim == 0:
        return style.write(array.item())
    if array.ndim == 1:
        return _row(array, style, indent, summarize=summarize)
    cut = summarize and len(array) > 2 * _EDGE_ITEMS
    shown = [*array[:_EDGE_ITEMS], *array[-_EDGE_ITEMS:]] if cut else list(array)
    parts = [_items(each, style, indent + 1, summarize=summarize) for each in shown]
    if cut:
        parts.insert(_EDGE_ITEMS, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _row(array: NDArray[Any], style: _Format, indent: int, *, summarize: bool) -> str:
    if summarize and len(array) > 2 * _EDGE_ITEMS:
        numbers = [style.write(item) for item in (*array[:_EDGE_ITEMS].tolist(), *array[-_EDGE_ITEMS:].tolist())]
        numbers.insert(_EDGE_ITEMS, " ...")
    else:
        numbers = [style.write(item) for item in array.tolist()]
    per_line = max(1, (_LINE_WIDTH - indent) // (style.width + 2))
    lines = [", ".join(numbers[start : start + per_line]) for start in range(0, len(numbers), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
