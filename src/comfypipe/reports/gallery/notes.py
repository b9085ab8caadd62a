"""Reads provenance: the ``NAME.json`` that stands beside each file of a run."""

import json
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from comfypipe._types import JSON, JSONObject
from comfypipe.execution.provenance import SCHEMA_VERSION
from comfypipe.reports.gallery.entry import Entry, EntryFile


def note_beside(file: Path) -> JSONObject | None:
    """Return the provenance of *file*; None where there is none."""
    found = (read_note(file.with_suffix(suffix)) for suffix in (".json", ".provenance.json"))
    return next((note for note in found if note is not None), None)


def read_note(path: Path) -> JSONObject | None:
    """Return what *path* says of a file; None when it is absent, or anybody else's JSON."""
    try:
        found = json.loads(path.read_bytes(), parse_constant=lambda _: None)
        return found if found["schema_version"] == SCHEMA_VERSION and found["run"]["id"] and found["file"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def prompt_of(note: JSONObject | None) -> JSONObject | None:
    """Return the prompt that a file was made by."""
    prompt: JSONObject | None = ((note or {}).get("job") or {}).get("prompt")
    return prompt


def facts_of(note: JSONObject | None) -> dict[str, JSON]:
    """Return what provenance adds to what is known of a run."""
    run = (note or {}).get("run") or {}
    job = (note or {}).get("job") or {}
    facts = {
        "backend": run.get("backend"),
        "server": job.get("server"),
        "accelerator": ", ".join(job.get("accelerator") or ()),
        "execution time (s)": job.get("execution_s"),
        "plan digest": run.get("plan_digest"),
        "started": run.get("started_at"),
        "ended": run.get("ended_at"),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def runs_of_notes(folder: Path) -> tuple[Entry, ...]:
    """Return an entry for each run that provenance below *folder* names, in the order in which they began."""
    runs: dict[str, list[tuple[Path, JSONObject]]] = {}
    for path in sorted(_json_files(folder)):
        note = read_note(path)
        if note is not None:
            runs.setdefault(str(note["run"]["id"]), []).append((path, note))
    return tuple(sorted(map(_entry, runs.values()), key=lambda entry: str(entry.facts.get("started"))))


def _json_files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):  # unlike rglob it passes over what may not be read, or has just gone
        yield from (Path(place, name) for name in names if name.endswith(".json"))


def _entry(notes: Sequence[tuple[Path, JSONObject]]) -> Entry:
    note = notes[0][1]
    run = note["run"]
    return Entry(
        id=str(run["id"]),
        name=str(run.get("name") or ""),
        status="completed",
        params=run.get("inputs") or {},
        files=tuple(filter(None, (_file(path, each) for path, each in notes))),
        seconds=_seconds(run),
        simulated=bool(run.get("simulated")),
        facts=facts_of(note),
    )


def _file(path: Path, note: JSONObject) -> EntryFile | None:
    file = note["file"]
    stem = path.name.removesuffix(".json").removesuffix(".provenance")
    beside = next((each for each in path.parent.iterdir() if each.stem == stem and each != path), None)
    if beside is None:
        return None
    return EntryFile(
        output=str(note.get("output") or ""),
        path=beside,
        filename=beside.name,
        media_type=str(file.get("media_type") or ""),
        size_bytes=int(file.get("size_bytes") or 0),
        sha256=file.get("sha256"),
        prompt=prompt_of(note),
    )


def _seconds(run: JSONObject) -> float | None:
    try:
        taken = datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["started_at"])
    except (KeyError, TypeError, ValueError):
        return None
    return taken.total_seconds()
