"""What a run was, and gave: for those who asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ComfypipeError


@dataclass(frozen=True, slots=True)
class Output:
    """
    A file that a run gave.

    Attributes:
        path: Where it lies: in the folder that was asked for, else in the project's store of artifacts.
        filename: Its own readable name; in the store, files are named by their digest.
        sha256: Of its bytes, as hex.
    """

    path: Path
    filename: str
    sha256: str
    size_bytes: int
    media_type: str

    def to_json(self) -> JSONObject:
        """Return it as a JSON object."""
        return {
            "path": str(self.path),
            "filename": self.filename,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "media_type": self.media_type,
        }


OutputValue: TypeAlias = Any
"""An `Output`, a tuple of them (nested where a fan-out saved several files each), or a plain JSON value."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """
    How one step of a run ended.

    Attributes:
        status: ``completed``, ``failed``, ``skipped`` or ``cancelled``.
        jobs: How many prompts it needed.
        cached: How many of them were there before.
    """

    id: str
    status: str
    jobs: int = 0
    cached: int = 0
    error: JSONObject | None = None

    def to_json(self) -> JSONObject:
        """Return it as a JSON object."""
        return {
            "id": self.id,
            "status": self.status,
            "jobs": self.jobs,
            "cached": self.cached,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """
    One run of a workflow or pipeline.

    Attributes:
        id: What the ledger and the command line call it; runs sort by age.
        status: ``running``, ``completed``, ``failed`` or ``cancelled``.
        inputs: What it ran with, drawn seeds included, as JSON.
        outputs: By name; what a failed run gave before it failed is in its steps' jobs, not here.
        cached: Nothing had to be executed: all outputs were there before.
        simulated: Nodes that need a model were stood in for.
        failure: The error itself, for a run that has just failed.
    """

    id: str
    name: str
    kind: str
    status: str
    backend: str
    plan_digest: str
    inputs: JSONObject
    outputs: Mapping[str, OutputValue]
    steps: tuple[StepRecord, ...]
    started_at: datetime
    ended_at: datetime | None = None
    error: JSONObject | None = None
    simulated: bool = False
    cached: bool = False
    continues: str | None = None
    failure: ComfypipeError | None = field(default=None, compare=False, repr=False)

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end; None while it runs."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None

    def to_json(self) -> JSONObject:
        """Return it as a JSON object."""
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "status": self.status,
            "backend": self.backend,
            "plan_digest": self.plan_digest,
            "inputs": self.inputs,
            "outputs": {name: output_to_json(value) for name, value in self.outputs.items()},
            "steps": [step.to_json() for step in self.steps],
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "duration_s": self.duration_s,
            "error": self.error,
            "simulated": self.simulated,
            "cached": self.cached,
            "continues": self.continues,
        }


def output_to_json(value: OutputValue) -> JSON:
    """Return an output as JSON; several files become a list."""
    if isinstance(value, Output):
        return value.to_json()
    if isinstance(value, tuple | list):
        return [output_to_json(each) for each in value]
    return value


def files_in(value: OutputValue) -> tuple[Output, ...]:
    """Return the files that an output is or holds, in order."""
    if isinstance(value, Output):
        return (value,)
    if isinstance(value, tuple | list):
        return tuple(file for each in value for file in files_in(each))
    return ()


def time_of(milliseconds: int) -> datetime:
    """Return a time of the ledger as an aware one, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
