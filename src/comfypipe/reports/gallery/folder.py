"""Reads what a folder says of its runs: ``results.jsonl`` of a batch, else the provenance beside each file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from comfypipe._types import JSON, JSONObject
from comfypipe.diagnostics import Source
from comfypipe.errors import ReportUnreadable
from comfypipe.reports.gallery.entry import Entry, EntryFile

RESULTS = "results.jsonl"
BATCH = "batch.json"

_FACTS = {
    "server": "server",
    "accelerator": "accelerator",
    "attempts": "attempts",
    "execution_s": "execution time (s)",
    "started_at": "started",
    "ended_at": "ended",
    "key": "row key",
}


@dataclass(frozen=True, slots=True)
class FolderReport:
    """
    The runs of a folder.

    Attributes:
        axes: Names of the parameters that a sweep varied, in order; empty for other batches.
        count: How many runs there are, for progress; None where only reading tells.
    """

    title: str
    entries: Iterator[Entry]
    axes: tuple[str, ...] = ()
    count: int | None = None


def read_folder(folder: Path) -> FolderReport:
    """
    Return the runs whose outputs lie in *folder*, in their order there; entries are read as they are asked for.

    Raises:
        ReportUnreadable: It holds neither results nor provenance, or they are damaged.
    """
    if (folder / RESULTS).is_file():
        batch = _read_object(folder / BATCH) if (folder / BATCH).is_file() else {}
        axes = tuple(str(each) for each in _axes(batch))
        title = str(batch.get("name") or folder.resolve().name)
        return FolderReport(title, _read_results(folder), axes, _count_lines(folder / RESULTS))
    notes = sorted(path for path in folder.rglob("*.json") if path.name != BATCH)
    runs = _runs_of_notes(notes)
    if not runs:
        raise ReportUnreadable(
            f"{folder} holds no runs",
            hint="name a folder that `comfypipe run --out` or `comfypipe batch` wrote, or runs by their ids",
        )
    return FolderReport(folder.resolve().name, iter(runs), count=len(runs))


def _axes(batch: JSONObject) -> list[JSON]:
    axes = batch.get("axes") or (batch.get("sweep") or {})
    return list(axes) if isinstance(axes, list | dict) else []


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _read_results(folder: Path) -> Iterator[Entry]:
    path = folder / RESULTS
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _entry_of_result(_parsed(line, path, number), folder, path, number)


def _parsed(text: bytes, path: Path, line: int) -> JSONObject:
    try:
        found = json.loads(text, parse_constant=lambda _: None)  # NaN is no JSON, in the page neither
    except ValueError as error:
        hint = "a batch that was killed leaves half a line at the end: run `comfypipe batch` again, it writes it whole"
        raise ReportUnreadable(f"not JSON: {error}", source=Source(str(path), line), hint=hint) from error
    if not isinstance(found, dict):
        raise ReportUnreadable("not a JSON object", source=Source(str(path), line))
    return found


def _entry_of_result(result: JSONObject, folder: Path, path: Path, line: int) -> Entry:
    try:
        files = tuple(_files_of_result(result.get("outputs") or {}, folder))
        note = _note_beside(files[0].path) if files else None
        return Entry(
            id=str(result.get("run_id") or ""),
            name=str(result.get("name") or (note or {}).get("run", {}).get("name") or ""),
            status=str(result["status"]),
            params=result.get("params") or result.get("inputs") or {},
            row=result.get("row"),
            files=files,
            values=result.get("values") or {},
            error=result.get("error"),
            seconds=result.get("seconds"),
            cost=result.get("cost"),
            simulated=bool(result.get("simulated")),
            cached=bool(result.get("cached")),
            prompt=((note or {}).get("job") or {}).get("prompt"),
            facts=_facts(result, note),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ReportUnreadable(f"not a result: {error!r}", source=Source(str(path), line)) from error


def _files_of_result(outputs: Mapping[str, Any], folder: Path) -> Iterator[EntryFile]:
    for name, files in outputs.items():
        for file in files:
            path = _within(folder, str(file["path"]))
            size, digest = int(file.get("size_bytes") or 0), file.get("sha256")
            yield EntryFile(name, path, path.name, str(file.get("media_type") or ""), size, digest)


def _within(folder: Path, relative: str) -> Path:
    """Return the place of a file; one outside the folder is not looked at, whoever wrote the results."""
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{relative} lies outside the folder")
    return path


def _facts(result: JSONObject, note: JSONObject | None) -> dict[str, JSON]:
    facts = {shown: result[key] for key, shown in _FACTS.items() if result.get(key) not in (None, "")}
    run = (note or {}).get("run") or {}
    return facts | {shown: run[key] for key, shown in _RUN_FACTS.items() if run.get(key)}


_RUN_FACTS = {"backend": "backend", "plan_digest": "plan digest"}


def _note_beside(file: Path) -> JSONObject | None:
    for note in (file.with_suffix(".json"), file.with_suffix(".provenance.json")):
        if note.is_file():
            try:
                return _read_object(note)
            except ReportUnreadable:  # somebody else's JSON, which only stands where provenance would
                continue
    return None


def _read_object(path: Path) -> JSONObject:
    return _parsed(path.read_bytes(), path, 1)


def _runs_of_notes(notes: list[Path]) -> list[Entry]:
    """Return an entry for each run that provenance files name, in the order in which they began."""
    runs: dict[str, list[tuple[Path, JSONObject]]] = {}
    for path in notes:
        found = _provenance(path)
        if found is not None:
            runs.setdefault(found["run"]["id"], []).append((path, found))
    return sorted((_entry_of_notes(each) for each in runs.values()), key=lambda entry: str(entry.facts.get("started")))


def _provenance(path: Path) -> JSONObject | None:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, OSError):
        return None
    named = isinstance(found, dict) and {"schema_version", "file", "run", "output"} <= found.keys()
    return found if named else None


def _entry_of_notes(notes: list[tuple[Path, JSONObject]]) -> Entry:
    run, job = notes[0][1]["run"], notes[0][1].get("job") or {}
    facts = {"backend": run["backend"], "plan digest": run["plan_digest"], "started": run["started_at"]}
    facts |= {shown: job[key] for key, shown in _FACTS.items() if job.get(key) and shown not in facts}
    return Entry(
        id=run["id"],
        name=run["name"],
        status="completed",
        params=run["inputs"],
        files=tuple(filter(None, (_file_of_note(path, note) for path, note in notes))),
        seconds=_seconds(run),
        simulated=bool(run.get("simulated")),
        prompt=job.get("prompt"),
        facts=facts,
    )


def _file_of_note(note: Path, found: JSONObject) -> EntryFile | None:
    file = found["file"]
    stem = note.name.removesuffix(".json").removesuffix(".provenance")
    beside = [path for path in note.parent.glob(f"{_literally(stem)}.*") if path != note and path.stem == stem]
    if not beside:
        return None
    kept = (str(file["media_type"]), int(file["size_bytes"]), str(file["sha256"]))
    return EntryFile(str(found["output"]), beside[0], beside[0].name, *kept)


def _literally(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


def _seconds(run: JSONObject) -> float | None:
    if not run.get("ended_at"):
        return None
    taken = datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["started_at"])
    return taken.total_seconds()
