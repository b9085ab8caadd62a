"""A run's files under readable names, in the folder of a batch."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from comfypipe.batch.names import NameTemplate, Naming
from comfypipe.batch.results import Placed
from comfypipe.errors import ArtifactMissing
from comfypipe.execution.records import Output, Run, files_in
from comfypipe.store.files import copy_new


def place_run(run: Run, folder: Path, names: NameTemplate, naming: Naming) -> dict[str, list[Placed]]:
    """
    Copy the files of a run into *folder*, and return by output where they lie. Blocks.

    A file with other content is never overwritten: the new one is then called ``name_2.png``.

    Raises:
        ArtifactMissing: A stored file is gone.
        StoreError: The folder cannot be written.
    """
    outputs = {name: files_in(value) for name, value in run.outputs.items()}
    outputs = {name: files for name, files in outputs.items() if files}
    placed: dict[str, list[Placed]] = {}
    for name, files in outputs.items():
        of_output = replace(naming, output=name, files=len(files), outputs=len(outputs))
        each = (replace(of_output, filename=file.filename, index=index) for index, file in enumerate(files))
        placed[name] = [_place(file, folder, names.render(named)) for file, named in zip(files, each, strict=True)]
    return placed


def is_placed(result: object, folder: Path) -> bool:
    """Return whether the files of a result are where it says, as long as they should be."""
    outputs = result.get("outputs", {}) if isinstance(result, dict) else {}
    try:
        return all(
            (folder / file["path"]).stat().st_size == file["size_bytes"] for files in outputs.values() for file in files
        )
    except OSError:
        return False


def _place(file: Output, folder: Path, name: str) -> Placed:
    if not file.path.is_file():
        raise ArtifactMissing(
            f"the stored file {file.path} is gone",
            hint="run the same command again: what made it runs anew",
        )
    tried = next(each for each in _free(name) if copy_new(file.path, folder / each, file.sha256, durable=False))
    return Placed(tried, file)


def _free(name: str) -> Iterator[str]:
    """Yield *name*, then the same with ``_2``, ``_3``, … before its suffix."""
    yield name
    stem, dot, suffix = name.rpartition(".")
    if not dot or "/" in suffix:
        stem, dot, suffix = name, "", ""
    for number in count(2):
        yield f"{stem}_{number}{dot}{suffix}"
