"""The range that a class declares for a number, as a manifest says it."""

from collections.abc import Mapping

from comfypipe._types import JSON, JSONObject

SEED_MAXIMUM = 2**64 - 1
WHOLE_MINIMUM = -(2**63)
_MEANINGLESS = 2**53
"""Bounds from here on are those of the number's type: they say nothing about what is sensible."""


def limits(type_name: str, value: JSON, options: Mapping[str, JSON]) -> JSONObject:
    """
    Return ``minimum``, ``maximum`` and ``multiple_of`` for an input of a numeric type, as far as *value* keeps to them.

    A step counts where it is a whole number that the smallest value divides by, as it does for sizes.

    Args:
        options: The declaration's settings: ``min``, ``max``, ``step``.
    """
    if type_name not in ("integer", "number", "seed"):
        return {}
    found: JSONObject = {}
    low, high = _bound(options.get("min")), _bound(options.get("max"))
    if low is not None and low <= value and (type_name != "seed" or low > 0):
        found["minimum"] = _written(low, type_name)
    if high is not None and high >= value:
        found["maximum"] = _written(high, type_name)
    step = options.get("step")
    if type_name == "integer" and isinstance(step, int) and step > 1 and (low or 0) % step == 0 == value % step:
        found["multiple_of"] = step
    return found


def _bound(value: JSON) -> int | float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return value if abs(value) < _MEANINGLESS else None


def _written(bound: float, type_name: str) -> int | float:
    return int(bound) if type_name != "number" or float(bound).is_integer() else bound
