"""A file that is being fetched: what is there of it, by which validator, and the digest of it so far."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from comfypipe.errors import StoreError
from comfypipe.store.files import settle

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20
"""What a download leaves free on the disk."""


class _Note(msgspec.Struct, frozen=True):
    """What is kept beside an unfinished file."""

    etag: str
    boot: str


class Partial:
    """
    An unfinished file on the disk. Methods block.

    Bytes are only gone on with when the server's strong ETag is known, and when the machine was not started anew since
    they were written: after a loss of power they may not be what was written.

    Attributes:
        resumed: It is made of parts that came at different times.
        whole: Every byte is there, and on the disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(f"{path.name}.json")
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self.etag: str | None = None
        self.resumed = False
        self.whole = False

    def open(self) -> None:
        """Take up what is there; nothing, where it cannot be gone on with."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.etag = self._read_note()
        if self.etag is None:
            self.restart(None)
            return
        self._file = self.path.open("r+b")
        while chunk := self._file.read(_CHUNK_BYTES):
            self._digest.update(chunk)
            self.size_bytes += len(chunk)

    def restart(self, etag: str | None) -> None:
        """Begin again, with bytes that *etag* stands for; None when no strong one is known."""
        self.close()
        self._note.unlink(missing_ok=True)
        self._file = self.path.open("wb")
        self._digest, self.size_bytes, self.resumed, self.whole = hashlib.sha256(), 0, False, False
        self.etag = etag
        if etag is not None:
            # Not by `write_whole`: killed in between, that would leave a file of another name each time.
            new = self._note.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(_Note(etag, _boot())))
            new.replace(self._note)

    def write(self, chunks: Sequence[bytes]) -> None:
        """Append bytes."""
        file = self._opened()
        for chunk in chunks:
            file.write(chunk)
            self._digest.update(chunk)
            self.size_bytes += len(chunk)

    def finish(self) -> str:
        """Bring every byte to the disk; returns the SHA-256 of all, as hex."""
        file = self._opened()
        file.flush()
        os.fsync(file.fileno())
        self.close()
        self.whole = True
        return self._digest.hexdigest()

    def flush(self) -> None:
        """Hand what was written to the system, so that it outlives this process."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the file; it stays."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def settle(self, destination: Path) -> None:
        """Put the whole file under its name, to be changed by nobody."""
        self.path.chmod(0o444)  # what is linked elsewhere is the same file
        settle(self.path, destination)
        self._note.unlink(missing_ok=True)

    def leave(self, *, keep: bool) -> None:
        """Close the file; unless it is whole, or can be gone on with and *keep* says so, nothing is left over."""
        with suppress(OSError):  # a full disk may not even take the last bytes that were buffered
            self.close()
        if not self.whole and not (keep and self.size_bytes and self.etag):
            self.remove()

    def remove(self) -> None:
        """Leave nothing over."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def check_room(self, wanted_bytes: int) -> None:
        """
        Refuse to begin what the disk has no room for.

        Raises:
            StoreError: It has none.
        """
        free = shutil.disk_usage(self.path.parent).free
        if wanted_bytes > free - min(_SPARE_BYTES, free // 10):
            raise StoreError(
                f"no room for {wanted_bytes / 1e6:.1f} MB in {self.path.parent}: {free / 1e6:.1f} MB are free",
                hint="free some space, or keep downloads elsewhere: `cache` in [tool.comfypipe.downloads]",
            )

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self.path.open("ab")
        return self._file

    def _read_note(self) -> str | None:
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=_Note)
        except (OSError, msgspec.MsgspecError):
            return None
        return note.etag if note.boot == _boot() and self.path.is_file() else None


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:  # another system
        return ""
