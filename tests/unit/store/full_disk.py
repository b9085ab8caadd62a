"""A program that fills the small disk it is given with runs and files, then makes room and looks what is there."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.unit.store.builders import a_run

from comfypipe.errors import StoreError
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.ledger import Ledger


async def fill(folder: Path) -> list[str]:
    """Store runs until there is no room, and return those that were stored."""
    stored: list[str] = []
    ledger = Ledger(folder / "ledger.sqlite")
    try:
        for number in range(10_000):
            await ledger.add_run(a_run(f"run{number:04}"))
            stored.append(f"run{number:04}")
    except StoreError as error:
        print("ledger:", error.hint)  # noqa: T201
    await ledger.close()
    return stored


def put(folder: Path) -> None:
    """Store a file that there is no room for."""
    with tempfile.NamedTemporaryFile() as source:
        source.write(os.urandom(500_000))
        source.flush()
        try:
            ArtifactStore(folder / "artifacts").put(Path(source.name))
        except StoreError as error:
            print("artifacts:", error.hint)  # noqa: T201


async def look(folder: Path) -> list[str]:
    """Return the runs that are there, oldest first."""
    ledger = Ledger(folder / "ledger.sqlite")
    runs = await ledger.runs(limit=10_000)
    await ledger.add_run(a_run("one-more"))
    await ledger.close()
    return [run.id for run in reversed(runs)]


def main(folder: Path) -> None:
    """Fill the disk, make room, compare."""
    ballast = folder / "ballast"
    ballast.write_bytes(os.urandom(100_000))
    stored = asyncio.run(fill(folder))
    put(folder)
    left = [path.name for path in (folder / "artifacts").rglob("*") if path.is_file()]
    ballast.unlink()
    print(f"stored: {len(stored) > 5}, kept: {stored == asyncio.run(look(folder))}, left over: {left}")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
