"""Rows of the ledger as values. Times are milliseconds since 1970, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from comfypipe._types import JSON, JSONObject
from comfypipe.jsontext import from_text, to_text

OPEN = ("intended", "submitted")
"""Status of attempts that may still be running somewhere."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """
    A run, as stored.

    Attributes:
        status: ``running``, ``completed``, ``failed`` or ``cancelled``; the last three never change.
        request_digest: Of what was asked for, before seeds were drawn: what the same command has in common.
        origin: The first run of the chain of runs that continue each other; its own id for most.
        continues: The cancelled or failed run whose seeds and finished jobs this one takes up.
        owner: The process that works on it.
        steps: How each step ended; empty while it runs.
        seeds: What was drawn: ``inputs`` by name, and ``steps``, from which the seeds of a pipeline's steps follow.
        batch_id: The batch that it is a row of.
        row_key: Which row, by its content.
    """

    id: str
    name: str
    kind: str
    plan_digest: str
    request_digest: str
    origin: str
    owner: str
    backend: str
    created_ms: int
    version: str
    status: str = "running"
    continues: str | None = None
    simulated: bool = False
    cached: bool = False
    inputs: JSONObject = field(default_factory=dict)
    seeds: JSONObject = field(default_factory=dict)
    outputs: JSONObject = field(default_factory=dict)
    steps: list[JSON] = field(default_factory=list)
    error: JSONObject | None = None
    ended_ms: int | None = None
    batch_id: str | None = None
    row_key: str | None = None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """
    One prompt of a run, as stored.

    Attributes:
        item: Position in a fan-out; None for a step that runs once.
        status: ``running``, ``completed``, ``failed`` or ``cancelled``.
        cached_from: The job whose outputs were taken over.
    """

    id: str
    run_id: str
    step: str
    item: int | None
    workflow: str
    digest: str
    created_ms: int
    status: str = "running"
    simulated: bool = False
    cached_from: str | None = None
    inputs: JSONObject = field(default_factory=dict)
    prompt: JSONObject = field(default_factory=dict)
    models: list[JSON] = field(default_factory=list)
    error: JSONObject | None = None
    ended_ms: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """
    One submission of a job, as stored.

    Attributes:
        number: Counted from 1 for each job.
        status: ``intended`` until the backend has taken it, then ``submitted``, then ``completed``, ``failed``,
            ``cancelled`` or ``lost`` (the backend does not know it).
    """

    prompt_id: str
    job_id: str
    number: int
    backend: str
    created_ms: int
    accelerator: list[str] = field(default_factory=list)
    status: str = "intended"
    server: str | None = None
    remote_id: str | None = None
    error: JSONObject | None = None
    execution_s: float | None = None
    submitted_ms: int | None = None
    ended_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """
    One file that a job gave, or (without *sha256*) a plain value.

    Attributes:
        position: Among several files under one name, from 0.
        url: Where a file lies that stays with a remote backend; it has no *sha256* until somebody has asked for it.
        value: A plain value; of a file that stays remote, how its backend is asked for it.
    """

    job_id: str
    name: str
    node_id: str
    position: int = 0
    sha256: str | None = None
    filename: str | None = None
    size_bytes: int | None = None
    media_type: str | None = None
    value: JSON = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """
    A batch of runs, as stored.

    Attributes:
        source: What its rows come from, as the user named it.
        status: ``running``, ``completed``, ``failed`` or ``cancelled``.
        owner: The process that works on it.
        total: How many rows it has, once they were counted.
    """

    id: str
    name: str
    source: str
    owner: str
    created_ms: int
    settings: JSONObject = field(default_factory=dict)
    status: str = "running"
    total: int | None = None
    ended_ms: int | None = None


Record = RunRecord | JobRecord | AttemptRecord | OutputRecord | BatchRecord
R = TypeVar("R", RunRecord, JobRecord, AttemptRecord, OutputRecord, BatchRecord)

_JSON = frozenset(
    {"inputs", "seeds", "outputs", "steps", "error", "prompt", "models", "accelerator", "value", "settings"}
)
_BOOLEAN = frozenset({"simulated", "cached"})


def columns(record: Record) -> dict[str, Any]:
    """Return the record's fields by column, as the database takes them."""
    return stored({name: getattr(record, name) for name in record.__slots__})


def stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of columns as the database takes them: lists and objects as JSON text."""
    return {name: to_text(value) if name in _JSON and value is not None else value for name, value in values.items()}


def record_of(kind: type[R], row: Mapping[str, Any]) -> R:
    """Return a row of the database as a record."""
    return kind(**{name: _read(name, value) for name, value in row.items()})


def _read(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON:
        return from_text(value)
    return bool(value) if name in _BOOLEAN else value
