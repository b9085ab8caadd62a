"""Files that appear whole or not at all."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from comfypipe.backends.base import InputFile
from comfypipe.errors import BackendError, BackendRejected

NO_ROOM = (ENOSPC, EDQUOT, EFBIG)
"""What the operating system says when a file does not fit."""

_CHUNK_BYTES = 1 << 20


def place_input(file: InputFile, folder: Path) -> None:
    """
    Copy an input file to its place below *folder*, unless it is already there.

    Raises:
        BackendRejected: It lies nowhere on this machine, is not the file that was meant, or belongs somewhere else.
        BackendError: There is no room for it.
    """
    destination = _destination(file, folder)
    if file.path is None:
        raise BackendRejected(f"{file.name} was not fetched yet: only its URL is known")
    try:
        if not _is_same(destination, file):
            write_whole(file.path, destination, sha256=file.sha256)
    except FileNotFoundError as error:
        raise BackendRejected(f"{file.name} cannot be read: {file.path} is gone") from error


def write_whole(source: Path, destination: Path, *, sha256: str | None = None) -> None:
    """
    Copy a file under another name first, then give it its own.

    Args:
        sha256: What its bytes must be, as hex.

    Raises:
        BackendRejected: They are others.
        BackendError: There is no room; nothing is left behind.
    """
    partial = destination.parent / f".partial-{secrets.token_hex(8)}"
    with new_file(partial) as written:
        if sha256 is None:
            with source.open("rb") as read:
                shutil.copyfileobj(read, written, _CHUNK_BYTES)
        elif _copy(source, written) != sha256:
            raise BackendRejected(f"{source} has changed since it was given", hint="run it again")
        written.close()
        partial.replace(destination)


@contextmanager
def new_file(destination: Path) -> Iterator[BinaryIO]:
    """
    Give the file *destination* to write to; it is removed when the block raises.

    Raises:
        BackendError: There is no room.
    """
    try:
        file = _created(destination)
        try:
            with file:
                yield file
        except BaseException:
            destination.unlink(missing_ok=True)
            raise
    except OSError as error:
        if error.errno in NO_ROOM:
            raise BackendError(
                f"no room for {destination}: {error.strerror}", hint="free some room on that disk"
            ) from error
        raise


def _created(destination: Path) -> BinaryIO:
    try:
        return destination.open("wb")
    except FileNotFoundError:
        destination.parent.mkdir(parents=True, exist_ok=True)
        return destination.open("wb")


def _copy(source: Path, write: BinaryIO) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as read:
        while chunk := read.read(_CHUNK_BYTES):
            digest.update(chunk)
            write.write(chunk)
    return digest.hexdigest()


def _destination(file: InputFile, folder: Path) -> Path:
    parts = PurePosixPath(file.name).parts
    if len(parts) < 2 or parts[0] != "input" or ".." in parts or "\0" in file.name:
        raise BackendRejected(f"the engine takes files below input/, not {file.name!r}")
    return folder.joinpath(*parts)


def _is_same(place: Path, file: InputFile) -> bool:
    if file.sha256 is None or not place.is_file():
        return False
    with place.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
