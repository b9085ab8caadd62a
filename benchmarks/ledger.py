"""What keeping a run costs: the ledger's writes against bare commits of the same SQLite, alone and many at once."""

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

from _timing import best_of, table
from comfypipe.store.ids import job_id, new_run_id, prompt_id
from comfypipe.store.ledger import Ledger
from comfypipe.store.records import AttemptRecord, JobRecord, OutputRecord, RunRecord
from comfypipe.store.sqlite import journal_mode

TIMES = 100
ROUNDS = 6
WRITES = 5
"""Transactions that a run of one prompt needs: begun, intended, submitted, completed, ended."""

NODES = {str(number): {"class_type": "KSampler", "inputs": {"seed": number, "steps": 20}} for number in range(20)}
NUMBERS = count(1_800_000_000_000)


async def keep_run(ledger: Ledger) -> None:
    """Store a run of one prompt, from beginning to end."""
    now = next(NUMBERS)
    run_id = new_run_id(now)
    run = RunRecord(run_id, "bench", "Workflow", "p" * 64, run_id, run_id, "me", "embedded:", now, "0", inputs={"a": 1})
    job = JobRecord(job_id(run_id, "s", None, run_id), run_id, "s", None, "bench", run_id, now, prompt=NODES)
    attempt = AttemptRecord(prompt_id(job.id, 1), job.id, 1, "embedded:", now)
    output = OutputRecord(job.id, "image", "9", 0, "a" * 64, "a.png", 1000, "image/png")
    await ledger.add_run(run)
    await ledger.intend(job, attempt)
    await ledger.update_attempt(attempt.prompt_id, status="submitted", submitted_ms=now)
    await ledger.complete_job(job.id, [output], ended_ms=now, prompt_id=attempt.prompt_id)
    await ledger.end_run(replace(run, status="completed", ended_ms=now))


def kept_runs(folder: Path, at_once: int) -> float:
    """Return the seconds that the ledger takes for a run, so many of them going on at once."""

    async def many() -> float:
        ledger = Ledger(folder / "ledger.sqlite")
        await ledger.runs()
        started = time.perf_counter()
        for _ in range(0, TIMES, at_once):
            await asyncio.gather(*(keep_run(ledger) for _ in range(at_once)))
        seconds = time.perf_counter() - started
        await ledger.close()
        return seconds / TIMES

    return asyncio.run(many())


def cpu_of(folder: Path) -> float:
    """Return the seconds of processor time that the ledger takes for a run, 20 of them going on at once."""
    before = time.process_time()
    kept_runs(folder, 20)
    return (time.process_time() - before) / TIMES


def bare_commits(folder: Path) -> float:
    """Return the seconds for as many bare commits of as many bytes, with the same journal and syncing."""
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    mode = journal_mode(sqlite3.sqlite_version_info)
    connection.execute(f"PRAGMA journal_mode={mode}").fetchall()
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, prompt TEXT)")
    prompt = json.dumps(NODES)

    def commits() -> None:
        for number in range(TIMES * WRITES):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO rows (prompt) VALUES (?)", (prompt if number % WRITES == 0 else "",))
            connection.execute("COMMIT")

    seconds = best_of(commits, 1) / TIMES
    connection.close()
    return seconds


def cached_lookups(folder: Path) -> float:
    """Return the seconds of one look into the cache of a ledger that holds thousands of jobs."""

    async def look() -> float:
        ledger = Ledger(folder / "ledger.sqlite")
        digests = [run.request_digest for run in await ledger.runs(limit=TIMES)]
        started = time.perf_counter()
        for digest in digests:
            assert await ledger.stored_jobs(digest, simulated=False)  # noqa: S101
        seconds = (time.perf_counter() - started) / len(digests)
        await ledger.close()
        return seconds

    return asyncio.run(look())


def opening(folder: Path) -> float:
    """Return the seconds to open a ledger that is up to date, and close it."""

    async def use(steps: Callable[[Ledger], Awaitable[object]]) -> None:
        ledger = Ledger(folder / "ledger.sqlite")
        await steps(ledger)
        await ledger.close()

    return best_of(lambda: asyncio.run(use(lambda ledger: ledger.runs(limit=1))), 1)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measures: dict[str, Callable[[], float]] = {
            f"{WRITES} bare commits, one after the other": lambda: bare_commits(folder),
            "a run in the ledger, one at a time": lambda: kept_runs(folder, 1),
            "a run in the ledger, 20 at once": lambda: kept_runs(folder, 20),
            "a run in the ledger, 100 at once": lambda: kept_runs(folder, 100),
            "a run in the ledger, 20 at once, processor time": lambda: cpu_of(folder),
            "a look into the cache": lambda: cached_lookups(folder),
            "opening it": lambda: opening(folder),
        }
        # In turns, so that a busy disk slows all of them.
        rounds = [{what: measure() for what, measure in measures.items()} for _ in range(ROUNDS)]
    best = {what: min(each[what] for each in rounds) for what in measures}
    bare = next(iter(best.values()))
    rows = [[what, f"{seconds * 1000:.2f} ms", f"{seconds / bare:.2f}"] for what, seconds in best.items()]
    print(table(("what", "time", "times bare"), rows))


if __name__ == "__main__":
    main()
