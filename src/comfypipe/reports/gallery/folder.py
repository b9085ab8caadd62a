"""Reads what a folder says of its runs: ``results.jsonl`` of a batch, else the provenance beside each file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.errors import ReportUnreadable
from comfypipe.reports.gallery.entry import Entry
from comfypipe.reports.gallery.notes import runs_of_notes
from comfypipe.reports.gallery.results import parsed, read_results

RESULTS = "results.jsonl"
BATCH = "batch.json"


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
    results, batch = folder / RESULTS, folder / BATCH
    if results.is_file():
        about = parsed(batch.read_bytes(), batch) if batch.is_file() else {}
        title = str(about.get("name") or folder.resolve().name)
        return FolderReport(title, read_results(results), _axes(about), _count_lines(results))
    runs = runs_of_notes(folder)
    if not runs:
        raise ReportUnreadable(
            f"{folder} holds no runs",
            hint="name a folder that `comfypipe run --out` or `comfypipe batch` wrote, or runs by their ids",
        )
    return FolderReport(folder.resolve().name, iter(runs), count=len(runs))


def _axes(batch: JSONObject) -> tuple[str, ...]:
    sweep = batch.get("sweep") or {}
    try:
        names = tuple(str(axis["name"]) for axis in sweep.get("axes", ()))
    except (AttributeError, KeyError, TypeError):
        return ()
    return names[:1] if sweep.get("zipped") else names  # those that change together make one side of a grid


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
