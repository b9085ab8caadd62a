"""What every benchmark needs: a time that noise cannot lower, and a table."""

import time
from collections.abc import Callable, Sequence


def best_of(call: Callable[[], object], times: int = 7) -> float:
    """Return the shortest of *times* runs of *call*, in seconds: these machines are shared, and noise only adds."""
    return min(_timed(call) for _ in range(times))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
