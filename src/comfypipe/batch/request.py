"""What a batch is asked to do: small, and kept in the ledger, so that it can be resumed by its id alone."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from comfypipe._types import JSONObject

ResultsFormat = Literal["jsonl", "parquet"]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """
    What a batch is asked to do.

    Attributes:
        name: Of the workflow or pipeline.
        rows: The file of the rows; None where a sweep alone makes them.
        sweep: ``NAME=VALUES`` each.
        zipped: Axes of the sweep change together; else every value meets every other.
        repeat: How often each row runs, each time with other seeds.
        columns: Input by column, where they are called differently.
        allow_extra: Columns that are no inputs are kept for file names and results.
        inputs: Values for what a row leaves out.
        folder: That paths on the command line are relative to.
        backend: URL or name; None for the project's own.
        out: Folder of the outputs and results; None where the batch chooses it.
        names: Template of the outputs' names; None for numbers.
        results: ``parquet`` writes ``results.parquet`` too.
    """

    name: str
    rows: Path | None = None
    sweep: tuple[str, ...] = ()
    zipped: bool = False
    repeat: int = 1
    columns: Mapping[str, str] = field(default_factory=dict)
    allow_extra: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = field(default_factory=Path.cwd)
    preset: str | None = None
    backend: str | None = None
    cache: bool = True
    skip_invalid: bool = False
    out: Path | None = None
    names: str | None = None
    results: ResultsFormat = "jsonl"

    def to_json(self) -> JSONObject:
        """Return it as a JSON object, for the ledger and ``batch.json``."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: _plain(value) for name, value in values.items()}

    @classmethod
    def from_json(cls, stored: JSONObject) -> "BatchRequest":
        """Return what `to_json` made."""
        values = dict(stored)
        for name in ("rows", "folder", "out"):
            values[name] = Path(values[name]) if values[name] is not None else None
        return cls(**{**values, "sweep": tuple(values["sweep"])})

    def identity(self, workflow: str) -> str:
        """
        Return what the same request made again has in common with this one: SHA-256, as hex.

        Args:
            workflow: Digest of the workflow as it is now: when it has changed, results of before are of another one.
        """
        asked = self.to_json() | {"workflow": workflow}
        for name in ("skip_invalid", "results", "folder", "out"):  # they change nothing about what a row is
            del asked[name]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
