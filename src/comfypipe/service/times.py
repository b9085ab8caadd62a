"""Times: milliseconds since 1970 within, ISO 8601 in UTC on the wire."""

import time
from datetime import UTC, datetime
from typing import overload


def now_ms() -> int:
    """Return the clock's time."""
    return time.time_ns() // 1_000_000


@overload
def iso(at_ms: int) -> str: ...
@overload
def iso(at_ms: int | None) -> str | None: ...
def iso(at_ms: int | None) -> str | None:
    """Return milliseconds since 1970 as JavaScript writes them, ``2025-05-23T15:08:18.297Z``; None for none."""
    if at_ms is None:
        return None
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{at_ms % 1000:03d}Z"
