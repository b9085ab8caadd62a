"""Rows of the service's database as values. Times are milliseconds since 1970, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from comfypipe._types import JSON, JSONObject
from comfypipe.jsontext import from_text, to_text

QUEUED, STARTED, COMPLETED, ERROR = "QUEUED", "STARTED", "COMPLETED", "ERROR"
OPEN = (QUEUED, STARTED)
"""Status of runs that have not ended."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """
    A run, as stored.

    Attributes:
        key_id: Of the API key that it was asked for with.
        ledger_id: What execution's ledger calls it.
        request: ``prompt``, ``files``, ``extra_data``; for a published workflow ``inputs`` and ``preset``.
        base_url: What the client called the service, for the URLs that its webhook is told.
        run_time_ms: From the start of the execution to its end, without downloads.
        download_ms: How long it took to bring the files in place.
        attempts: How often it was submitted to a backend.
        cancelled: Whether somebody asked for its end.
        output: Files that it saved, each ``{filename, node_id, sha256, …}``; None until it has completed.
        shown: By node id, what output nodes showed, texts among it.
        error: Why it failed: ``type``, ``message``, and what else is known.
        used_ms: When a request last named one of its outputs.
    """

    id: str
    tenant: str
    workflow_id: str
    ledger_id: str
    request: JSONObject
    base_url: str
    created_ms: int
    updated_ms: int
    status: str = QUEUED
    key_id: str | None = None
    accelerator: str | None = None
    webhook: str | None = None
    name: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: JSONObject | None = None
    client_agent: str | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    run_time_ms: int | None = None
    download_ms: int | None = None
    device: str | None = None
    attempts: int = 0
    cancelled: int = 0
    simulated: int = 0
    output: list[JSON] | None = None
    shown: JSONObject | None = None
    error: JSONObject | None = None
    used_ms: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status not in OPEN


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """A workflow that a tenant made, or used."""

    tenant: str
    id: str
    name: str
    created_ms: int
    updated_ms: int
    description: str | None = None
    tags: list[str] = field(default_factory=list)
    accelerator: str | None = None


@dataclass(frozen=True, slots=True)
class UploadRow:
    """
    A file that a tenant has uploaded; its bytes are stored under *sha256*.

    Attributes:
        used_ms: When it was last uploaded, or named by a request.
    """

    id: str
    tenant: str
    sha256: str
    filename: str
    media_type: str
    size_bytes: int
    created_ms: int
    used_ms: int


Row = TypeVar("Row", RunRow, WorkflowRow, UploadRow)

_JSON = frozenset({"request", "tags", "metadata", "output", "shown", "error"})


def stored(row: Row) -> dict[str, Any]:
    """Return the row's columns as they are stored: JSON as text."""
    return {each.name: stored_value(each.name, getattr(row, each.name)) for each in fields(row)}


def stored_value(column: str, value: Any) -> Any:
    """Return a value as its column stores it."""
    return to_text(value) if column in _JSON and value is not None else value


def row_of(kind: type[Row], columns: Mapping[str, Any]) -> Row:
    """Return what was stored."""
    return kind(
        **{name: from_text(value) if name in _JSON and value is not None else value for name, value in columns.items()}
    )
