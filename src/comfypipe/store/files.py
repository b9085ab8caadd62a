"""Files that are whole under their name, or not there, whatever happens."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from comfypipe.errors import StoreError

_CHUNK_BYTES = 1 << 20
_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.partial")
_ABANDONED_S = 3600.0
"""Age since the last byte at which a file that was never finished belongs to a process that was killed."""


def hash_file(path: Path) -> tuple[str, int]:
    """Return the SHA-256 of a file's bytes, as hex, and their number."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def copy_whole(source: Path, destination: Path) -> None:
    """
    Copy *source* so that *destination* is whole, or as it was.

    Raises:
        StoreError: One cannot be read, or the other written.
    """
    with disk_faults(destination), _beside(destination) as partial:
        shutil.copyfile(source, partial)
        settle(partial, destination)


def write_whole(destination: Path, content: bytes) -> None:
    """
    Write *content* so that *destination* is whole, or as it was.

    Raises:
        StoreError: It cannot be written.
    """
    with disk_faults(destination), _beside(destination) as partial:
        partial.write_bytes(content)
        settle(partial, destination)


def copy_new(source: Path, destination: Path, sha256: str, *, durable: bool = True) -> bool:
    """
    Copy *source* to *destination* unless another file is there; return whether it holds the bytes of *sha256* now.

    Args:
        durable: Wait until the disk has it; without, it is only whole as long as the power is on.

    Raises:
        StoreError: One cannot be read, or the other written.
    """
    with disk_faults(destination):
        if not os.path.lexists(destination):
            with _beside(destination) as partial:
                shutil.copyfile(source, partial)
                return _settle_new(partial, destination, sha256, durable)
        return destination.is_file() and hash_file(destination)[0] == sha256


def sweep_partials(folder: Path) -> None:
    """
    Remove what killed processes left half-written in a folder of the user's: files of our own naming, an hour old.

    One that cannot be removed is left: that is no reason to fail.
    """
    too_old = time.time() - _ABANDONED_S
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _PARTIAL.fullmatch(entry.name):
                _sweep(entry, too_old)


def _sweep(entry: "os.DirEntry[str]", too_old: float) -> None:
    with suppress(OSError):  # another process finished or removed it
        if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < too_old:
            Path(entry.path).unlink()


@contextmanager
def _beside(destination: Path) -> Iterator[Path]:
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def settle(partial: Path, destination: Path) -> None:
    """Put a written file under its name, so that after a loss of power it is there whole or not at all."""
    _sync(partial)
    try:
        partial.replace(destination)
    except FileNotFoundError:  # the folder, which is there but for the first file
        destination.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(destination)
    if os.name == "posix":
        _sync(destination.parent)


def _settle_new(partial: Path, destination: Path, sha256: str, durable: bool) -> bool:
    """Put a written file under a free name; return whether it holds these bytes, when it is not free any more."""
    if durable:
        _sync(partial)
    try:
        os.link(partial, destination)  # unlike a rename it fails when the name was taken meanwhile
    except FileExistsError:
        return destination.is_file() and hash_file(destination)[0] == sha256
    except OSError:  # a file system without links
        partial.replace(destination)
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_faults(place: Path) -> Iterator[None]:
    """
    Say what a fault of the disk at *place* means to the user.

    Raises:
        StoreError: In place of any ``OSError`` raised inside.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            message = f"cannot write to {place}: {error.strerror}"
            hint = "free some space and run the same command again: it goes on where it was, nothing stored is lost"
            raise StoreError(message, hint=hint) from error
        raise StoreError(f"cannot use {error.filename or place}: {error.strerror or error}") from error
