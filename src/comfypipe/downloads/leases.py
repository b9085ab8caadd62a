"""Which cached files are in use, across processes: notes that count as long as their process lives."""

import secrets
import shutil
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from comfypipe.store.liveness import Owner, is_alive


class Hold:
    """Keeps files from being evicted until it is released; a context manager. Methods block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = secrets.token_hex(8)
        self._notes: set[Path] = set()

    def add(self, sha256: str) -> None:
        """Hold a file as well."""
        note = self._folder / f"{sha256}.{self._mark}"
        self._folder.mkdir(parents=True, exist_ok=True)
        note.touch()
        self._notes.add(note)

    def release(self) -> None:
        """Let all of them go."""
        for note in self._notes:
            note.unlink(missing_ok=True)
        self._notes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Leases:
    """
    The holds of this process, and a view on those of all.

    Args:
        folder: Where all processes keep them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self) -> Hold:
        """Return a new hold."""
        return Hold(self._folder / self._owner.id)

    def held(self) -> frozenset[str]:
        """Return the digests of the files that living processes hold; what dead ones left is removed."""
        found: set[str] = set()
        with suppress(FileNotFoundError):
            for folder in self._folder.iterdir():
                if folder.is_dir():
                    found |= self._held_by(folder)
        return frozenset(found)

    def close(self) -> None:
        """Let go of everything."""
        if "_owner" in self.__dict__:
            shutil.rmtree(self._folder / self._owner.id, ignore_errors=True)
            self._owner.close()
            del self._owner

    def _held_by(self, folder: Path) -> set[str]:
        mine = "_owner" in self.__dict__ and folder.name == self._owner.id
        if not mine and not is_alive(self._folder, folder.name):
            shutil.rmtree(folder, ignore_errors=True)
            return set()
        with suppress(FileNotFoundError):
            return {note.name.partition(".")[0] for note in folder.iterdir()}
        return set()

    @cached_property
    def _owner(self) -> Owner:
        return Owner(self._folder)
