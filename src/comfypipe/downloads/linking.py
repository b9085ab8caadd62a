"""A cached file under its name in ComfyUI's folder: linked where that can be, else copied; whole, or not there."""

import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from comfypipe.downloads.destinations import Destination
from comfypipe.errors import DownloadRefused
from comfypipe.store.files import disk_faults, hash_file, settle

_OURS = re.compile(r"\.[0-9a-f]{16}\.partial")
_ABANDONED_S = 24 * 3600.0


def put_in_place(source: Path, place: Destination, base: Path, sha256: str, *, replace: bool) -> Path:
    """
    Put a file at its place below ComfyUI's folder. Blocks.

    It is linked (a hard link: the cache may evict its own name of the file, and nothing dangles), or copied where the
    folder is on another disk.

    Args:
        sha256: Of the file's bytes.
        replace: Whether another file of that name gives way.

    Raises:
        DownloadRefused: The place is taken, or the way to it leads through a link.
        StoreError: There is no room.
    """
    with disk_faults(base):
        path = place.prepare(base)
        if not path.exists() and _linked(source, path):
            return path
        if path.exists():
            if _is_same(source, path, sha256):
                return path
            if not replace:
                raise DownloadRefused(
                    f"{place.name} is there already, and is another file than the one that was asked for",
                    hint=f"remove {path}, or use another name",
                )
        _sweep(path.parent)
        partial = path.with_name(f".{secrets.token_hex(8)}.partial")
        try:
            if not _linked(source, partial):
                shutil.copyfile(source, partial)
            settle(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def _is_same(source: Path, path: Path, sha256: str) -> bool:
    if path.samefile(source):
        return True
    return path.stat().st_size == source.stat().st_size and hash_file(path)[0] == sha256


def _linked(source: Path, path: Path) -> bool:
    try:
        os.link(source, path)
    except OSError:  # another disk, or one without links; or somebody was faster
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove what processes left that were killed while they copied."""
    for path in folder.glob(".*.partial"):
        with suppress(FileNotFoundError):
            if _OURS.fullmatch(path.name) and path.stat().st_mtime < time.time() - _ABANDONED_S:
                path.unlink()
