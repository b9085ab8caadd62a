"""Outputs under readable names in a folder of the user's, each with its provenance beside it."""

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ArtifactMissing
from comfypipe.execution.media import suffix_of
from comfypipe.execution.provenance import SCHEMA_VERSION, document
from comfypipe.execution.records import Output, OutputValue, Run, files_in
from comfypipe.store.files import copy_new, disk_faults, sweep_partials, write_whole

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif", "video/mp4": ".mp4"}
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that are devices on Windows."""


def export_run(run: Run, folder: Path, made_by: Mapping[str, JSONObject]) -> Run:
    """
    Copy the outputs of *run* into *folder* and return the run with the files' new paths. Blocks.

    An output ``sheet`` becomes ``sheet.png``, several files under one name ``sheet-01.png`` and so on, a plain value
    ``sheet.txt`` (``sheet.data.json`` for lists and objects). Beside each file stands its provenance, ``sheet.json``.
    A file with other content is never overwritten: the new one is then called ``sheet_2.png``. What a process that was
    killed amid this had left in *folder* is removed.

    Args:
        made_by: By SHA-256, what `provenance.provenance_of` says.

    Raises:
        ArtifactMissing: A stored file is gone.
        StoreError: The folder cannot be written.
    """
    sweep_partials(folder)
    exporter = _Exporter(run, folder, made_by)
    return replace(run, outputs={name: exporter.value(name, value) for name, value in run.outputs.items()})


class _Exporter:
    def __init__(self, run: Run, folder: Path, made_by: Mapping[str, JSONObject]) -> None:
        self._run = run
        self._folder = folder
        self._made_by = made_by
        self._used: set[str] = set()

    def value(self, name: str, value: OutputValue) -> OutputValue:
        files = files_in(value)
        if not files:
            self._plain(name, value)
            return value
        stem = safe_stem(name)
        if isinstance(value, Output):
            return self._place(name, stem, value)
        width = max(2, len(str(len(files))))
        return self._several(name, value, (f"{stem}-{number:0{width}}" for number in count(1)))

    def _several(self, name: str, value: OutputValue, stems: Iterator[str]) -> OutputValue:
        if isinstance(value, Output):
            return self._place(name, next(stems), value)
        return tuple(self._several(name, each, stems) for each in value) if isinstance(value, tuple) else value

    def _plain(self, name: str, value: JSON) -> None:
        if value is None:
            return
        structured = isinstance(value, list | tuple | dict)
        text = json.dumps(value, indent=2, ensure_ascii=False) if structured else str(value)
        kind, suffix = ("application/json", ".data.json") if structured else ("text/plain", ".txt")
        content = text.encode("utf-8", "backslashreplace") + b"\n"
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "value"
            source.write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            self._place(name, safe_stem(name), Output(source, f"{name}{suffix}", digest, len(content), kind), suffix)

    def _place(self, name: str, stem: str, file: Output, suffix: str | None = None) -> Output:
        """Copy *file* to the first of ``stem``, ``stem_2``, … that is free, or has these bytes already."""
        if not file.path.is_file():
            raise ArtifactMissing(
                f'the stored file of output "{name}" is gone: {file.path}',
                hint="run the same command again: what made it runs anew",
            )
        suffix = suffix or suffix_of(file.filename) or _SUFFIXES.get(file.media_type, "")
        for number in count(1):
            tried = stem if number == 1 else f"{stem}_{number}"
            path, note = self._folder / f"{tried}{suffix}", self._folder / _note_name(tried, suffix)
            if self._is_free(path, note, file) and copy_new(file.path, path, file.sha256):
                self._used |= {path.name.lower(), note.name.lower()}
                self._describe(name, file, note)
                return replace(file, path=path, filename=path.name)
        raise AssertionError("unreachable")

    def _is_free(self, path: Path, note: Path, file: Output) -> bool:
        used = path.name.lower() in self._used or note.name.lower() in self._used
        return not used and (not note.exists() or _describes(note, file))

    def _describe(self, name: str, file: Output, note: Path) -> None:
        if not note.exists():  # else the same file was there before, and this says where that one came from
            written = document(self._run, name, file, self._made_by.get(file.sha256))
            write_whole(note, json.dumps(written, indent=2).encode() + b"\n")


def _note_name(stem: str, suffix: str) -> str:
    return f"{stem}.provenance.json" if suffix == ".json" else f"{stem}.json"


def _describes(note: Path, file: Output) -> bool:
    """Return whether *note* is our own word on a file with the same bytes."""
    try:
        with disk_faults(note):
            found = json.loads(note.read_bytes())
        return bool(found["schema_version"] == SCHEMA_VERSION and found["file"]["sha256"] == file.sha256)
    except (ValueError, KeyError, TypeError):
        return False


def safe_stem(name: str) -> str:
    """Return *name* as a file name without suffix that every file system takes."""
    stem = re.sub(r"[^\w-]+", "_", name).strip("_")[:100] or "output"
    return f"_{stem}" if _RESERVED.fullmatch(stem) else stem
