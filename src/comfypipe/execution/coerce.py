"""What a node shows as text, as the type that the manifest declares for it."""

import json
import math
from collections.abc import Callable, Mapping

from comfypipe._types import JSON

_BOOLEANS = {"true": True, "false": False}


class NotOfType(ValueError):
    """A shown value cannot be read as the declared type."""


def shown_values(entry: Mapping[str, JSON]) -> tuple[JSON, ...]:
    """
    Return what a node shows beside files: its ``text``, else the first entry that is a list of plain values.

    Args:
        entry: The node's outputs, as ComfyUI's history has them: ``{"text": ["7"]}``.
    """
    for key in ("text", *entry):
        found = entry.get(key)
        items = found if isinstance(found, list) else [found]
        if found is not None and key != "animated" and not any(isinstance(item, dict | list) for item in items):
            return tuple(items)
    return ()


def coerce(value: JSON, declared: str) -> JSON:
    """
    Return *value* as the *declared* type: ``text``, ``integer``, ``number``, ``boolean`` or ``json``.

    Raises:
        NotOfType: It is none.
    """
    try:
        return _READERS[declared](value)
    except (ValueError, OverflowError) as error:
        raise NotOfType(f"{value!r} is no {declared}") from error


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _integer(value: JSON) -> int:
    try:
        return int(value) if isinstance(value, str | int) else _whole(float(value))
    except ValueError:
        return _whole(float(value))  # shown as 3.0


def _whole(value: float) -> int:
    if not value.is_integer():
        raise ValueError("it has a fraction")
    return int(value)


def _number(value: JSON) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("JSON has no such number")
    return number


def _boolean(value: JSON) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).strip().lower() not in _BOOLEANS:
        raise ValueError("neither true nor false")
    return _BOOLEANS[str(value).strip().lower()]


def _json(value: JSON) -> JSON:
    return json.loads(value) if isinstance(value, str) else value


_READERS: Mapping[str, Callable[[JSON], JSON]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "json": _json,
}
