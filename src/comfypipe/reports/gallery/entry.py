"""What the gallery shows of one run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from comfypipe._types import JSON, JSONObject


@dataclass(frozen=True, slots=True)
class EntryFile:
    """
    A file that a run gave.

    Attributes:
        output: The name of the output that it belongs to.
        path: Where it lies; it may be gone.
        sha256: Of its bytes, as hex; None where nobody noted it.
        prompt: What made it, in API format; None where it was not kept.
    """

    output: str
    path: Path
    filename: str
    media_type: str
    size_bytes: int
    sha256: str | None = None
    prompt: JSONObject | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One run, whatever it was read from.

    Attributes:
        row: Its position in a batch, counted from 1; None for a run by itself.
        params: What tells it from its neighbours, by name: a row's columns, or a run's inputs.
        values: Outputs that are no files, by name.
        prompt: Of a run that gave no file: what was run, in API format.
        facts: What else is known, by a name for people: server, accelerator, plan digest, …
    """

    id: str
    name: str
    status: str
    params: Mapping[str, JSON]
    row: int | None = None
    files: tuple[EntryFile, ...] = ()
    values: Mapping[str, JSON] = field(default_factory=dict)
    error: JSONObject | None = None
    seconds: float | None = None
    cost: float | None = None
    simulated: bool = False
    cached: bool = False
    prompt: JSONObject | None = None
    facts: Mapping[str, JSON] = field(default_factory=dict)
