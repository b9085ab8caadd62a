"""
The index of a batch: a file that has, for each row, its key and place, and the line of its result.

All of it follows from the rows and the ledger: it may be thrown away at any time, and costs time then, nothing else.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from comfypipe.batch.lines import Place
from comfypipe.errors import StoreError

_TOGETHER = 250


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A row, as the index has it.

    Attributes:
        key: By its content; empty where it is no row.
        mark: Tells rows apart that have the same content and say something else besides, which names are made of.
        invalid: The line of its result, where it is no row.
    """

    number: int
    key: str
    mark: bytes
    place: Place
    line: int
    invalid: bytes | None = None


class Scratch:
    """
    The index of one batch, on the disk: memory does not grow with rows.

    Methods block; threads take turns. What is not flushed is lost when the process is killed.

    Args:
        path: The file; made anew when it is not there, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.RLock()
        with self._faults():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _opened(path)
            except sqlite3.DatabaseError:
                path.unlink(missing_ok=True)
                self._connection = _opened(path)

    def close(self) -> None:
        """Flush, and close the file."""
        with self._faults():
            self._connection.commit()
            self._connection.close()

    def remove(self) -> None:
        """Remove the file, which was closed."""
        for path in (self._path, self._path.with_name(f"{self._path.name}-journal")):
            path.unlink(missing_ok=True)

    def begin(self) -> None:
        """Forget all rows, before they are counted anew; lines of results stay."""
        with self._faults():
            self._connection.execute("DELETE FROM rows")
            self._connection.execute("DELETE FROM notes")

    def add(self, entries: Iterable[Entry]) -> None:
        """Store rows."""
        with self._faults():
            self._connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", map(_values, entries))

    def flush(self) -> None:
        """Make sure that what was stored outlives this process."""
        with self._faults():
            self._connection.commit()

    def rows(self, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Return the rows that come after the number *after*, in order."""
        with self._faults():
            query = "SELECT * FROM rows WHERE number > ? ORDER BY number LIMIT ?"
            return [_entry(row) for row in self._connection.execute(query, (after, limit))]

    def count(self) -> int:
        """Return how many rows there are, the invalid ones included."""
        return self._number("SELECT COUNT(*) FROM rows")

    def invalid(self) -> int:
        """Return how many of them are none."""
        return self._number("SELECT COUNT(*) FROM rows WHERE invalid IS NOT NULL")

    def repeated(self) -> int:
        """Return how many rows have the same content as an earlier one."""
        return self._number("SELECT COUNT(*) - COUNT(DISTINCT key) FROM rows WHERE invalid IS NULL")

    def first_repeated(self) -> tuple[Entry, Entry] | None:
        """Return the first row that repeats another one, and that one before it."""
        with self._faults():
            query = (
                "SELECT MIN(number) FROM rows WHERE invalid IS NULL AND number NOT IN "
                "(SELECT MIN(number) FROM rows WHERE invalid IS NULL GROUP BY key)"
            )
            (number,) = self._connection.execute(query).fetchone()
            if number is None:
                return None
            query = "SELECT * FROM rows WHERE key = (SELECT key FROM rows WHERE number = ?) ORDER BY number LIMIT 2"
            first, second = (_entry(row) for row in self._connection.execute(query, (number,)))
            return first, second

    def portions(self, size: int) -> list[tuple[int, int]]:
        """Return for portions of *size* rows the number before the first row, and how many rows there are."""
        with self._faults():
            query = "SELECT number FROM rows ORDER BY number"
            found, before, count, last = [], 0, 0, 0
            for (number,) in self._connection.execute(query):
                if count == size:
                    found.append((before, count))
                    before, count = last, 0
                count, last = count + 1, number
            return [*found, (before, count)] if count else found

    def lines(self, marks: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return by mark the lines of results that are there."""
        found: dict[bytes, bytes] = {}
        with self._faults():
            for start in range(0, len(marks), _TOGETHER):
                some = marks[start : start + _TOGETHER]
                query = f"SELECT mark, line FROM results WHERE mark IN ({', '.join('?' * len(some))})"  # noqa: S608
                found.update(self._connection.execute(query, some))
        return found

    def keep(self, lines: Iterable[tuple[bytes, str, bytes]]) -> None:
        """Store lines of results, each with its mark and status, in place of those that were there."""
        with self._faults():
            self._connection.executemany("INSERT OR REPLACE INTO results (mark, status, line) VALUES (?, ?, ?)", lines)

    def statuses(self) -> dict[str, int]:
        """Return by status how many rows have a line of it."""
        with self._faults():
            query = "SELECT results.status, COUNT(*) FROM rows JOIN results ON results.mark = rows.mark GROUP BY 1"
            return dict(self._connection.execute(query).fetchall())

    def note(self, name: str, value: str) -> None:
        """Remember something of the whole batch."""
        with self._faults():
            self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str | None:
        """Return what was remembered."""
        with self._faults():
            found = self._connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
            return str(found[0]) if found else None

    def _number(self, query: str) -> int:
        with self._faults():
            return int(self._connection.execute(query).fetchone()[0])

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with self._turn:
                yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the index of the batch, {self._path}, cannot be used: {error}",
                hint="free some space, or remove the file, and run the same command again: nothing done is lost",
            ) from error


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        # Not synchronous: the kernel keeps what a killed process wrote, and after a loss of power it is made anew.
        for pragma in ("journal_mode=TRUNCATE", "synchronous=OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.executescript(_SCHEMA)
        connection.execute("SELECT mark, status, line FROM results LIMIT 1").fetchall()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _values(entry: Entry) -> tuple[object, ...]:
    place = entry.place
    key = bytes.fromhex(entry.key)
    return entry.number, key, entry.mark, place.offset, place.line, entry.line, entry.invalid


def _entry(row: tuple[int, bytes, bytes, int, int, int, bytes | None]) -> Entry:
    number, key, mark, offset, before, line, invalid = row
    return Entry(number, key.hex(), mark, Place(offset, before), line, invalid)


_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    number INTEGER PRIMARY KEY, key BLOB, mark BLOB, "offset" INTEGER, before INTEGER, line INTEGER, invalid BLOB
);
CREATE TABLE IF NOT EXISTS results (id INTEGER PRIMARY KEY, mark BLOB NOT NULL, status TEXT NOT NULL, line BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS results_by_mark ON results (mark);
CREATE INDEX IF NOT EXISTS statuses_by_mark ON results (mark, status);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT);
"""
