"""Sweeps: inputs that take several values, every one with every other, or side by side."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import UsageError
from comfypipe.manifest.schema import InputSpec

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER})(?::({_NUMBER}))?")
_NUMERIC = ("integer", "number", "seed")
_MOST_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class Axis:
    """One input of a sweep, and the values that it takes, in order."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sweep:
    """
    The points of a sweep: of a grid the last axis changes fastest; zipped, all axes change together.

    Without an axis there is one point, which sets nothing.
    """

    axes: tuple[Axis, ...] = ()
    zipped: bool = False

    def __len__(self) -> int:
        if self.zipped and self.axes:
            return len(self.axes[0].values)
        count = 1
        for axis in self.axes:
            count *= len(axis.values)
        return count

    def point(self, index: int) -> JSONObject:
        """Return the values of the point with this index, by input."""
        if self.zipped:
            return {axis.name: axis.values[index] for axis in self.axes}
        found: JSONObject = {}
        for axis in reversed(self.axes):
            index, at = divmod(index, len(axis.values))
            found[axis.name] = axis.values[at]
        return {axis.name: found[axis.name] for axis in self.axes}

    def to_json(self) -> JSONObject:
        """Return it as a JSON object, as ``batch.json`` has it."""
        axes = [{"name": axis.name, "values": list(axis.values)} for axis in self.axes]
        return {"axes": axes, "zipped": self.zipped}


def parse_sweep(texts: Sequence[str], inputs: Mapping[str, InputSpec], *, zipped: bool = False) -> Sweep:
    """
    Return the sweep of ``NAME=VALUES`` texts: ``10,20,30``, ``4:8:2`` (4, 6, 8) for numbers, or a JSON list.

    Raises:
        UsageError: One is not written so, names no input, or (zipped) they are of different lengths.
    """
    axes = tuple(_axis(text, inputs) for text in texts)
    names = [axis.name for axis in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is swept twice", hint=f"write all its values into one --sweep {twice}=…")
    if zipped and len({len(axis.values) for axis in axes}) > 1:
        lengths = ", ".join(f"{axis.name} has {len(axis.values)}" for axis in axes)
        raise UsageError(f"zipped sweeps need as many values each: {lengths}", hint="without --zip they make a grid")
    return Sweep(axes, zipped)


def _axis(text: str, inputs: Mapping[str, InputSpec]) -> Axis:
    name, equals, values = text.partition("=")
    if not equals or not name or not values:
        raise UsageError(f'"{text}" is not NAME=VALUES', hint="write --sweep steps=10,20,30 or --sweep cfg=4:8:2")
    if name not in inputs:
        known = f"inputs are {', '.join(inputs)}" if inputs else "it takes no inputs"
        raise UsageError(f'there is no input "{name}" to sweep', hint=did_you_mean(name, inputs) or known)
    found = _RANGE.fullmatch(values) if inputs[name].type in _NUMERIC else None
    return Axis(name, tuple(_range(text, *found.groups()) if found else _listed(text, values)))


def _listed(text: str, values: str) -> list[Any]:
    if not values.lstrip().startswith("["):
        return [each.strip() for each in values.split(",")]
    try:
        listed = json.loads(values)
    except ValueError as error:
        raise UsageError(f'"{text}" is not a JSON list: {error}') from error
    if not listed:
        raise UsageError(f'"{text}" holds no value')
    return list(listed)


def _range(text: str, first: str, last: str, step: str | None) -> Iterator[int | float]:
    """Yield the numbers of a range, its end included; in decimals, so that 0.1:0.3:0.1 has three."""
    at, end, by = Decimal(first), Decimal(last), Decimal(step or ("1" if Decimal(last) >= Decimal(first) else "-1"))
    if not by or (end - at) * by < 0:
        raise UsageError(f'"{text}" never gets from {first} to {last}', hint="write START:END:STEP")
    if abs((end - at) / by) > _MOST_VALUES:
        raise UsageError(f'"{text}" has more than {_MOST_VALUES} values')
    while (at <= end) if by > 0 else (at >= end):
        yield int(at) if at == at.to_integral_value() else float(at)
        at += by
