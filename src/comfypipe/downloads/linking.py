"""A cached file under its name in ComfyUI's folder: linked where that can be, else copied; whole, or not there."""

import os
import secrets
import shutil
from pathlib import Path

from comfypipe.downloads.destinations import Destination
from comfypipe.errors import DownloadRefused
from comfypipe.store.files import disk_faults, hash_file, settle


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
        if path.exists():
            if _is_same(source, path, sha256):
                return path
            if not replace:
                raise DownloadRefused(
                    f"{place.name} is there already, and is another file than the one that was asked for",
                    hint=f"remove {path}, or use another name",
                )
        partial = path.with_name(f".{secrets.token_hex(8)}.partial")
        try:
            _link_or_copy(source, partial)
            settle(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def _is_same(source: Path, path: Path, sha256: str) -> bool:
    if path.samefile(source):
        return True
    return path.stat().st_size == source.stat().st_size and hash_file(path)[0] == sha256


def _link_or_copy(source: Path, partial: Path) -> None:
    try:
        os.link(source, partial)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, partial)
