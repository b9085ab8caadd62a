"""Files with a secret of the service's own: made once, whole or not at all, and readable by their owner alone."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from comfypipe.store.files import disk_faults

SECRET_BYTES = 32


def secret_in(path: Path) -> bytes:
    """
    Return the bytes of a file; where it is not there, it is made of `SECRET_BYTES` random ones.

    Raises:
        StoreError: It cannot be read or made.
    """
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        return path.read_bytes()


def _make(path: Path) -> None:
    """Make the file; when another process makes it at the same time, one of the two stays."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
