"""Reads ``results.jsonl``, a line for each row of a batch."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from comfypipe._types import JSON, JSONObject
from comfypipe.diagnostics import Source
from comfypipe.errors import ReportUnreadable
from comfypipe.reports.gallery.entry import Entry, EntryFile
from comfypipe.reports.gallery.notes import facts_of, note_beside, prompt_of

_FACTS = {
    "server": "server",
    "accelerator": "accelerator",
    "attempts": "attempts",
    "execution_s": "execution time (s)",
    "started_at": "started",
    "ended_at": "ended",
    "key": "row key",
}
"""By key of a result, its name for people."""


def read_results(path: Path) -> Iterator[Entry]:
    """
    Yield the runs that *path* lists, in its order; files are looked for below its folder.

    Raises:
        ReportUnreadable: A line is no result, or names a file outside the folder.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _entry(parsed(line, path, number), path, number)


def parsed(text: bytes, path: Path, line: int = 1) -> JSONObject:
    """
    Return the JSON object that *text* is.

    Raises:
        ReportUnreadable: It is none.
    """
    try:
        found = json.loads(text, parse_constant=lambda _: None)  # NaN is no JSON, in the page neither
    except ValueError as error:
        hint = "a batch that was killed leaves half a line at the end: run `comfypipe batch` again, it writes it whole"
        raise ReportUnreadable(f"not JSON: {error}", source=Source(str(path), line), hint=hint) from error
    if not isinstance(found, dict):
        raise ReportUnreadable("not a JSON object", source=Source(str(path), line))
    return found


def _entry(result: JSONObject, path: Path, line: int) -> Entry:
    try:
        files = tuple(_files(result.get("outputs") or {}, path.parent))
        note = note_beside(files[0].path) if files else None
        return Entry(
            id=str(result.get("run_id") or ""),
            name=str(result.get("name") or (note or {"run": {}})["run"].get("name") or ""),
            status=str(result["status"]),
            params=dict(result.get("params") or result.get("inputs") or {}),
            row=result.get("row"),
            files=files,
            values=dict(result.get("values") or {}),
            error=result.get("error"),
            seconds=result.get("seconds"),
            cost=result.get("cost"),
            simulated=bool(result.get("simulated")),
            cached=bool(result.get("cached")),
            facts=facts_of(note) | _facts(result),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ReportUnreadable(f"not a result: {error!r}", source=Source(str(path), line)) from error


def _files(outputs: Mapping[str, Any], folder: Path) -> Iterator[EntryFile]:
    for name, files in outputs.items():
        for file in files:
            path = _within(folder, str(file["path"]))
            yield EntryFile(
                output=name,
                path=path,
                filename=path.name,
                media_type=str(file.get("media_type") or ""),
                size_bytes=int(file.get("size_bytes") or 0),
                sha256=file.get("sha256"),
                prompt=prompt_of(note_beside(path)),
            )


def _within(folder: Path, relative: str) -> Path:
    """Return the place of a file; one outside the folder is not looked at, whoever wrote the results."""
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{relative} lies outside the folder")
    return path


def _facts(result: JSONObject) -> dict[str, JSON]:
    return {shown: result[key] for key, shown in _FACTS.items() if result.get(key) not in (None, "")}
