"""Cycles of kill -9 by the thousand, as a program: ``scripts/kill_cycles --cycles 1000``."""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from tests.e2e.cycles import Arena, Cycle, make_project

from comfypipe._types import JSONObject
from comfypipe.testing import engine_process

ROW = "{:>6} {:8} {:8} {:>5} {:>8} {:10} {:>6}  {}"


def main() -> int:
    """Run cycles, print them as they end, and return 1 where something was wrong with one."""
    parser = argparse.ArgumentParser(description="Kill clients of a counting server, ask again, and count.")
    parser.add_argument("--cycles", type=int, default=1000, help="so many cycles with a kill (default: 1000)")
    parser.add_argument("--seed", type=int, default=1, help="decides what is killed where (default: 1)")
    parser.add_argument("--commands", type=float, default=0.1, help="share that runs `comfypipe run` (default: 0.1)")
    parser.add_argument("--json", action="store_true", help="print one document at the end instead of the table")
    parser.add_argument(
        "--reports", type=Path, help="folder for all that is known of a wrong cycle (default: a new one)"
    )
    asked = parser.parse_args()
    reports = asked.reports or Path(gettempdir(), f"kill-cycles-seed-{asked.seed}-{os.getpid()}")
    began = time.perf_counter()
    cycles: list[Cycle] = []
    show = (lambda _line: None) if asked.json else _print
    show(ROW.format("cycle", "run", "client", "kills", "executed", "end", "s", "where"))
    with (
        TemporaryDirectory(prefix="kill-cycles-") as folder,
        engine_process(Path(folder, "server"), faults=["slow-runs=always,ms:30"]) as server,
    ):
        project = make_project(Path(folder, "project"), server.url)
        luck = random.Random(asked.seed)  # noqa: S311
        for cycle in Arena(project, server, luck, asked.commands, reports=reports).cycles(asked.cycles):
            cycles.append(cycle)
            show(_row(cycle))
    summary = _summary(cycles, asked.seed, time.perf_counter() - began)
    if summary["wrong"]:
        summary["reports"] = str(reports)
    _print(json.dumps(summary, indent=2) if asked.json else _words(summary))
    return 1 if summary["wrong"] else 0


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _row(cycle: Cycle) -> str:
    where = "; ".join((*cycle.ways, *(f"WRONG: {each}" for each in cycle.problems)))
    seconds = f"{cycle.seconds:.2f}"
    return ROW.format(
        cycle.number, cycle.name, cycle.client, cycle.kills, cycle.executed, cycle.end, seconds, where
    ).rstrip()


def _summary(cycles: list[Cycle], seed: int, seconds: float) -> JSONObject:
    return {
        "cycles": sum(each.kills > 0 for each in cycles),
        "survived": sum(not each.kills for each in cycles),
        "kills": sum(each.kills for each in cycles),
        "executed": sum(each.executed for each in cycles),
        "ends": dict(Counter(each.end for each in cycles)),
        "points": dict(Counter(way.partition(" +")[0].partition(" #")[0] for each in cycles for way in each.ways)),
        "wrong": [each.to_json() for each in cycles if each.problems],
        "seed": seed,
        "seconds": round(seconds, 1),
    }


def _words(summary: JSONObject) -> str:
    return (
        f"{summary['cycles']} cycles with {summary['kills']} kills in {summary['seconds']} s"
        f" ({summary['survived']} outran theirs): {summary['executed']} executions, {len(summary['wrong'])} wrong"
        f"{', see ' + summary['reports'] if summary['wrong'] else ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
