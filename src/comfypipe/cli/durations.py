"""Lengths of time as people write them."""

import re

from comfypipe.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")


def parse_duration(text: str) -> float:
    """
    Return the seconds of ``90``, ``90s``, ``5m``, ``2h`` or ``1h30m``.

    Raises:
        UsageError: It is none.
    """
    parts = _PART.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text.replace(" ", ""):
        raise UsageError(f'"{text}" is no length of time', hint="write 90s, 5m, 2h or 1h30m")
    return sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)


def short_duration(seconds: float | None) -> str:
    """Return a length of time in a few characters: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return "unknown"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
