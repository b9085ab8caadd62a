"""Whether the process that began a run is still there: a lock that its death releases."""

import uuid
import weakref
from pathlib import Path

from filelock import FileLock, Timeout

from comfypipe.store.files import disk_faults


class Owner:
    """
    This process, as the ledger names it. It counts as alive as long as it holds the lock of its name.

    The system releases the lock when the process ends, however it ends: by kill -9 as well.

    Args:
        folder: Where the locks of all processes are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.id = str(uuid.uuid4())
        with disk_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(folder, self.id)
            lock.acquire()
        self._release = weakref.finalize(self, _let_go, lock)

    def close(self) -> None:
        """Count as gone from now on."""
        self._release()


def is_alive(folder: Path, owner_id: str) -> bool:
    """
    Return whether the process of this name still runs; what a dead one left is removed.

    Args:
        folder: Where the locks of all processes are.
    """
    lock = _lock(folder, owner_id)
    if not Path(lock.lock_file).exists():
        return False
    try:
        lock.acquire(blocking=False)
    except (Timeout, PermissionError):  # of another user: it cannot be asked, and must not be disturbed
        return True
    _let_go(lock)
    return False


def _lock(folder: Path, owner_id: str) -> FileLock:
    return FileLock(folder / f"{owner_id}.lock", thread_local=False)


def _let_go(lock: FileLock) -> None:
    # Removed while it is held: names are never used twice, so that nobody can hold the file that is gone.
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
