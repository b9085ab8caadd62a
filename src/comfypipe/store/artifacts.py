"""Stored files, each under the SHA-256 of its bytes: written whole or not at all, kept once, never changed."""

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from comfypipe.errors import ArtifactCorrupt, ArtifactMissing
from comfypipe.store.files import copy_whole, disk_faults, hash_file, settle

_INCOMING = "incoming"
_ABANDONED_S = 24 * 3600.0
"""Age at which a file that was never finished belongs to a process that was killed."""

GRACE_S = 3600.0
"""A file this young may belong to somebody who is about to record it: it is not removed."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored file."""

    sha256: str
    size_bytes: int


class ArtifactStore:
    """
    A folder of stored files: ``ab/cdef…``, named by the SHA-256 of their bytes.

    Methods block: call them in a thread. Several threads and processes may use one folder.

    Args:
        root: The folder; made when the first file is stored.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / _INCOMING
        self._swept = False

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """
        Give a path inside the store to write a new file to; `adopt` it before leaving, else it is removed.

        Raises:
            StoreError: The folder cannot be made, or the disk is full.
        """
        path = self._incoming / secrets.token_hex(12)
        with disk_faults(self._root):
            self._incoming.mkdir(parents=True, exist_ok=True)
            if not self._swept:
                self._swept = True
                _sweep(self._incoming)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def put(self, source: Path) -> Artifact:
        """
        Store a copy of *source*.

        Raises:
            StoreError: It cannot be read, or the store cannot be written; nothing is left over.
        """
        with self.incoming() as path:
            with disk_faults(self._root):
                shutil.copyfile(source, path)
            return self.adopt(path)

    def adopt(self, path: Path) -> Artifact:
        """Store the file that was written to a path that `incoming` gave, without another copy."""
        with disk_faults(self._root):
            digest, size_bytes = hash_file(path)
            destination = self.place(digest)
            if not (self._whole(destination, digest) and _renewed(destination)):
                settle(path, destination)
        return Artifact(digest, size_bytes)

    def place(self, sha256: str) -> Path:
        """Return where the file of this digest lies, or would."""
        return self._root / f"{sha256[:2]}/{sha256[2:]}"

    def path(self, sha256: str) -> Path:
        """
        Return where the bytes lie; they are not read.

        Raises:
            ArtifactMissing: There is no such file.
        """
        place = self.place(sha256)
        if not place.is_file():
            raise ArtifactMissing(
                f"the stored file {sha256[:12]}… is gone from {self._root}",
                hint="run the same command again: what made it runs anew",
            )
        return place

    def verify(self, sha256: str) -> Path:
        """
        Return where the bytes lie, once they were read and found to be right.

        Raises:
            ArtifactMissing: There is no such file.
            ArtifactCorrupt: Its bytes are not those that were stored.
        """
        place = self.path(sha256)
        if not self._whole(place, sha256):
            raise ArtifactCorrupt(
                f"the stored file {place} is damaged: its bytes are not those that were stored",
                hint="run the same command again: what made it runs anew, and the file is replaced",
            )
        return place

    def remove(self, sha256: str) -> bool:
        """
        Remove a file that nothing refers to; return whether it is gone. One that was stored a moment ago stays.

        It takes another name before its age is looked at: so whoever stores the same bytes at this moment has made it
        young before, or finds that it is missing.

        Raises:
            StoreError: It cannot be removed.
        """
        with disk_faults(self._root), self.incoming() as aside:
            try:
                self.place(sha256).rename(aside)
            except FileNotFoundError:
                return True
            if aside.stat().st_mtime <= time.time() - GRACE_S:
                return True  # what is left in there is removed
            aside.rename(self.place(sha256))
            return False

    def export(self, sha256: str, destination: Path) -> None:
        """
        Copy the bytes to *destination*: whole, or not at all.

        Raises:
            ArtifactMissing: There is no such file.
            StoreError: It cannot be written.
        """
        copy_whole(self.path(sha256), destination)

    def _whole(self, place: Path, sha256: str) -> bool:
        with disk_faults(self._root):
            return place.is_file() and hash_file(place)[0] == sha256


def _renewed(place: Path) -> bool:
    """Make a stored file young again, so that nobody removes it before it is recorded; False when it is gone."""
    try:
        os.utime(place)
    except FileNotFoundError:
        return False
    return True


def _sweep(incoming: Path) -> None:
    """Remove what killed processes left half-written."""
    too_old = time.time() - _ABANDONED_S
    for path in incoming.iterdir():
        with suppress(FileNotFoundError):  # another process finished or removed it
            if path.stat().st_mtime < too_old:
                path.unlink()
