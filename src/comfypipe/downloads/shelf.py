"""
The cache's files on the disk: by content, with what each URL last gave, and the least used removed first.

::

    files/ab/cdef…        a file, named by the SHA-256 of its bytes
    urls/<key>.json       what a URL gave when it was last asked
    partial/<key>         a file that is being fetched
    locks/<key>.lock      held while it is
    leases/<process>/…    what runs need
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from filelock import FileLock

from comfypipe.downloads.leases import Hold, Leases
from comfypipe.downloads.partial import Partial
from comfypipe.downloads.replies import Validators
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.files import disk_faults, write_whole

_SHARE_KEPT = 0.95
"""Eviction makes a little more room than it must, so that it need not come back for the next file."""

_SCAN_SHARE = 16
"""The folder is looked through anew when this part of the room that was left has been filled."""

_DAY_S = 24 * 3600.0
_KEPT_S = {"partial": 7 * _DAY_S, "urls": 90 * _DAY_S}
"""How long an unfinished file, and what is known of a URL, are kept when nobody comes back to them."""


class Entry(msgspec.Struct, frozen=True):
    """
    What a URL gave.

    Attributes:
        checked_ms: When the server last said so.
    """

    sha256: str
    size_bytes: int
    checked_ms: int
    validators: Validators = Validators()
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    path: Path
    sha256: str
    size_bytes: int
    used_s: float


class Shelf:
    """
    The folder of a cache. Methods block; several threads and processes may use one folder.

    Args:
        max_bytes: What all files together may have, those that are held apart.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.leases = Leases(folder / "leases")
        self._max_bytes = max_bytes
        self._files = ArtifactStore(folder / "files")
        self._until_scan = 0

    def partial(self, key: str) -> Partial:
        """Return the unfinished file of a URL."""
        return Partial(self.folder / "partial" / key)

    def lock(self, key: str) -> FileLock:
        """Return the lock of a URL, made where it is not there yet."""
        with disk_faults(self.folder):
            (self.folder / "locks").mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "locks" / f"{key}.lock", thread_local=False)

    def place(self, sha256: str) -> Path:
        """Return where a file lies, or would."""
        return self._files.place(sha256)

    def take(self, sha256: str, hold: Hold | None, size_bytes: int | None = None) -> Path | None:
        """Return where a file lies, held from now on; None when it is not there."""
        place = self.place(sha256)
        if not place.is_file() or (size_bytes is not None and place.stat().st_size != size_bytes):
            return None
        with disk_faults(self.folder), self._alone():
            if hold is not None:
                hold.add(sha256)
            try:
                os.utime(place)
            except FileNotFoundError:  # evicted between the look and the lock
                return None
        return place

    def entry(self, key: str) -> Entry | None:
        """Return what a URL gave; None when that is not known, or the file is gone."""
        try:
            entry = msgspec.json.decode((self.folder / "urls" / f"{key}.json").read_bytes(), type=Entry)
        except (OSError, msgspec.MsgspecError):
            return None
        return entry if self.place(entry.sha256).is_file() else None

    def note(self, key: str, entry: Entry) -> None:
        """Store what a URL gave."""
        write_whole(self.folder / "urls" / f"{key}.json", msgspec.json.encode(entry))

    def add(self, partial: Partial, sha256: str, size_bytes: int, hold: Hold | None) -> Path:
        """Put a fetched file on the shelf, and make room where there is too much."""
        place = self.place(sha256)
        with disk_faults(self.folder), self._alone():
            if hold is not None:
                hold.add(sha256)
            if place.is_file() and place.stat().st_size == size_bytes:
                partial.remove()
                os.utime(place)
            else:
                partial.settle(place)
            self._until_scan -= size_bytes
            if self._until_scan <= 0:
                self._make_room(keep=sha256)
        return place

    def size_bytes(self) -> int:
        """Return what all files together have."""
        return sum(stored.size_bytes for stored in self._stored())

    def close(self) -> None:
        """Let go of all holds of this process."""
        self.leases.close()

    def _alone(self) -> FileLock:
        """Keep other processes from evicting, or holding, at the same time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "shelf.lock", thread_local=False)

    def _make_room(self, keep: str) -> None:
        """Remove the files that were used longest ago, until the rest fits; *keep* and those in use stay."""
        stored = sorted(self._stored(), key=lambda each: each.used_s)
        total = sum(each.size_bytes for each in stored)
        if total > self._max_bytes:
            held = self.leases.held() | {keep}
            for each in stored:
                if total <= self._max_bytes * _SHARE_KEPT:
                    break
                if each.sha256 not in held:
                    each.path.unlink(missing_ok=True)
                    total -= each.size_bytes
        self._until_scan = max(0, self._max_bytes - total) // _SCAN_SHARE
        self._sweep()

    def _stored(self) -> Iterator[_Stored]:
        for path in (self.folder / "files").glob("[0-9a-f][0-9a-f]/*"):
            with suppress(FileNotFoundError):  # removed meanwhile
                status = path.stat()
                yield _Stored(path, path.parent.name + path.name, status.st_size, status.st_mtime)

    def _sweep(self) -> None:
        """Remove what nobody came back to."""
        for folder, kept_s in _KEPT_S.items():
            with suppress(FileNotFoundError):
                for path in (self.folder / folder).iterdir():
                    if path.stat().st_mtime < time.time() - kept_s:
                        path.unlink(missing_ok=True)
