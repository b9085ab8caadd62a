"""A bound on what the engine leaves in its folders: the oldest files go first."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_LEFT = 0.9
"""So much of the bound is left after files were removed: then it takes a while until it is reached again."""


class Retention:
    """
    Keeps the files below some folders within a bound.

    The folders are looked through once, and again when what was added since reaches the bound.

    Args:
        folders: Where the files are, at any depth.
        limit_bytes: Bound on all of them together.
        young_s: Files that were written or read within this time stay, even beyond the bound: somebody may be about to
            fetch them.
    """

    def __init__(self, folders: Iterable[Path], limit_bytes: int, young_s: float = 60.0) -> None:
        self.limit_bytes = limit_bytes
        self._folders = tuple(folders)
        self._young_s = young_s
        self._size_bytes: int | None = None

    def added(self, paths: Iterable[Path]) -> None:
        """Tell of new files; older ones are removed where that is too much."""
        if self._size_bytes is None:
            self._size_bytes = sum(size for _, size, _ in self._files())
        else:
            self._size_bytes += sum(map(_size_bytes, paths))
        if self._size_bytes > self.limit_bytes:
            self._size_bytes = self._prune()

    def _prune(self) -> int:
        """Remove the oldest files, and folders that are empty then; return what is left."""
        files = sorted(self._files())
        left = sum(size for _, size, _ in files)
        newest = time.time() - self._young_s
        for used, size, path in files:
            if left <= self.limit_bytes * _LEFT or used > newest:
                break
            with suppress(OSError):  # somebody else removed it, or holds it
                path.unlink()
                left -= size
                self._remove_empty(path.parent)
        return left

    def _remove_empty(self, folder: Path) -> None:
        while folder not in self._folders:
            folder.rmdir()  # fails where something is left in it
            folder = folder.parent

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield each file with the time of its last use, and its size."""
        for folder in self._folders:
            for path in folder.rglob("*"):
                with suppress(OSError):
                    found = path.lstat()
                    if not path.is_dir():
                        yield max(found.st_mtime, found.st_atime), found.st_size, path


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
