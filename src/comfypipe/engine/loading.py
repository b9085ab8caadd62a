"""Which file a loading node means: ``"name"``, ``"folder/name"``, ``"name [output]"``."""

import hashlib
import os
import time
from functools import lru_cache
from pathlib import Path

from comfypipe.engine.registry import Folders


def split_annotation(name: str) -> tuple[str, str]:
    """
    Split ``"photo.png [output]"`` into name and folder type.

    Returns:
        The name, and one of ``input``, ``output``, ``temp``; ``input`` where nothing is said.
    """
    for kind in ("input", "output", "temp"):
        if name.endswith(f"[{kind}]"):
            return name[: -len(kind) - 2].removesuffix(" "), kind
    return name, "input"


def resolve_file(name: str, folders: Folders) -> Path:
    """
    Return the file that a widget value names, below the folder that it names.

    Args:
        name: A path relative to ``input``, or to another folder with the suffix `` [output]``, `` [temp]``.
        folders: The three folders.

    Raises:
        ValueError: The name leads out of its folder.
        FileNotFoundError: There is no such file.
    """
    path = locate(name, folders)
    if not path.is_file():
        raise FileNotFoundError(f"no such file in the {split_annotation(name)[1]} folder: {name}")
    return path


def locate(name: str, folders: Folders) -> Path:
    """
    Return where a widget value points to, whether or not something is there.

    Raises:
        ValueError: The name leads out of its folder, or no file system could hold it.
    """
    relative, kind = split_annotation(name)
    base = os.path.abspath({"input": folders.input, "output": folders.output, "temp": folders.temp}[kind])  # noqa: PTH100
    path = os.path.normpath(os.path.join(base, relative))  # noqa: PTH118  an absolute name must show itself
    if "\0" in relative or not path.startswith(base + os.sep):
        raise ValueError(f"not a path below the {kind} folder: {name!r}")
    return Path(path)


def is_file(name: str, folders: Folders) -> bool:
    """Tell whether a widget value names a file that is there, below its folder."""
    try:
        resolve_file(name, folders)
    except (ValueError, OSError):
        return False
    return True


def file_digest(path: Path) -> str:
    """
    Return the SHA-256 of a file's bytes, in hexadecimal: ComfyUI's ``is_changed`` of loaded files.

    A file that stayed as it was, by size, time and identity, is read once. One that was written just now is read each
    time: it may change again within what a file system's clock can tell.
    """
    found = path.stat()
    if abs(time.time() - max(found.st_mtime, found.st_ctime)) < _RACY_S:
        return _read_digest(path)
    return _known_digest(path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


_RACY_S = 2.0


@lru_cache(maxsize=4096)
def _known_digest(path: Path, _identity: tuple[int, ...]) -> str:
    return _read_digest(path)


def _read_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
