"""
One row's result, as ``results.jsonl`` has it: an object a line.

``schema_version``, ``row`` (counted from 1), ``key``, ``run_id``, ``status`` (``completed``, ``failed``, ``cancelled``,
``skipped``, ``invalid``), ``params`` (what the row says), ``inputs`` (what it ran with), ``outputs`` (files by name,
paths relative to the file), ``values`` (outputs that are no files), ``error``, ``seconds``, ``execution_s``,
``attempts``, ``server``, ``accelerator``, ``cost``, ``cached``, ``simulated``, ``started_at``, ``ended_at``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from comfypipe._types import JSON, JSONObject
from comfypipe.batch.prices import Prices
from comfypipe.batch.rows import Row
from comfypipe.diagnostics import Source
from comfypipe.errors import ComfypipeError
from comfypipe.execution.records import Output, Run, files_in, output_to_json
from comfypipe.store.batches import RowAttempt

SCHEMA_VERSION = 1
"""Of the lines; raised when a key changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class Placed:
    """
    A file of a run, under its readable name.

    Attributes:
        path: Relative to the folder of the results, with forward slashes.
    """

    path: str
    file: Output

    def to_json(self) -> JSONObject:
        """Return it as a JSON object."""
        return {
            "path": self.path,
            "filename": self.file.filename,
            "sha256": self.file.sha256,
            "media_type": self.file.media_type,
            "size_bytes": self.file.size_bytes,
            "width_px": None,
            "height_px": None,
        }


def result_of(
    key: str,
    params: JSONObject,
    run: Run,
    placed: Mapping[str, Sequence[Placed]],
    attempts: Sequence[RowAttempt],
    prices: Prices,
) -> JSONObject:
    """Return the result of a row that has run, without its number, which `line_of` adds."""
    last = attempts[-1] if attempts else None
    executed = [each.execution_s for each in attempts if each.execution_s is not None]
    return {
        "key": key,
        "run_id": run.id or None,
        "status": run.status,
        "params": params,
        "inputs": run.inputs,
        "outputs": {name: [each.to_json() for each in files] for name, files in placed.items()},
        "values": {name: output_to_json(value) for name, value in run.outputs.items() if not files_in(value)},
        "error": run.error,
        "seconds": run.duration_s,
        "execution_s": round(sum(executed), 6) if executed else None,
        "attempts": len(attempts),
        "server": (last.server or last.backend) if last else None,
        "accelerator": prices.accelerator(last) if last else None,
        "cost": prices.cost(attempts),
        "cached": run.cached,
        "simulated": run.simulated,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
    }


def packed(result: JSONObject) -> bytes:
    """Return a result as JSON text."""
    return orjson.dumps(result, default=str)


def line_of(number: int, result: bytes) -> bytes:
    """Return the line of a row: its number, and its packed result."""
    return b'{"schema_version":%d,"row":%d,%b\n' % (SCHEMA_VERSION, number, result[1:])


def invalid_line(row: Row, error: ComfypipeError, source: Source | None) -> bytes:
    """Return the packed result of a row that could not be run."""
    told = error.to_json() | {"source": str(source) if source else None}
    return packed(unfinished(None, "invalid", row.params, told))


def unfinished(key: str | None, status: str, params: JSONObject | None = None, error: JSON = None) -> JSONObject:
    """Return the result of a row that has not run to an end."""
    nothing = dict.fromkeys(("seconds", "execution_s", "server", "accelerator", "cost", "started_at", "ended_at"), None)
    return {
        "key": key,
        "run_id": None,
        "status": status,
        "params": params or {},
        "inputs": {},
        "outputs": {},
        "values": {},
        "error": error,
        **nothing,
        "attempts": 0,
        "cached": False,
        "simulated": False,
    }
