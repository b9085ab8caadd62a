"""The files that nodes show: where they lie, and whether they are still there."""

from collections.abc import Iterator
from pathlib import Path

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.registry import Folders


def shown_files(ui: JSONObject) -> Iterator[tuple[str, JSONObject]]:
    """Yield each file that *ui* names, as ``{"filename", "subfolder", "type"}``, with the key under which it stands."""
    for key, entries in ui.items():
        for entry in entries if isinstance(entries, (list, tuple)) else ():
            if isinstance(entry, dict) and isinstance(entry.get("filename"), str):
                yield key, entry


def file_path(filename: str, subfolder: str, kind: str, folders: Folders) -> Path:
    """
    Return where a file lies, whether or not it is there.

    Args:
        kind: ``input``, ``output`` or ``temp``.

    Raises:
        ValueError: There is no such folder, or the names lead out of it.
    """
    folder = folder_of(kind, folders).resolve()
    path = Path(folder, subfolder, filename).resolve()
    if "\0" in filename + subfolder or not path.is_relative_to(folder):
        raise ValueError(f"not below the {kind} folder: {subfolder}/{filename}")
    return path


def folder_of(kind: JSON, folders: Folders) -> Path:
    """
    Return the folder of a type.

    Raises:
        ValueError: There is none of that name.
    """
    if kind not in ("input", "output", "temp"):
        raise ValueError(f"no folder is called {kind!r}: there are input, output and temp")
    folder: Path = getattr(folders, kind)
    return folder


def files_exist(ui: JSONObject | None, folders: Folders) -> bool:
    """Tell whether every file that *ui* names in one of *folders* is still there."""
    return all(_is_there(entry, folders) for _, entry in shown_files(ui or {}))


def _is_there(entry: JSONObject, folders: Folders) -> bool:
    try:
        path = file_path(entry["filename"], entry.get("subfolder", ""), entry.get("type", "output"), folders)
    except ValueError:
        return True  # kept somewhere else, by a node of the user's own
    return path.is_file()
