"""
How well a fleet keeps its servers busy, and how seldom they load models, against dealing prompts out in turns.

The servers are simulated, in real time: each runs one prompt at a time, and loads models when it holds others. The
first table has runs of 1 s; the second one goes twenty times as fast (runs of 0.05 s, loads of 0.25 s).
"""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.unit.backends.comfyui.simulated_server import SimulatedServer, submission

from _timing import table
from comfypipe.backends.base import Submission
from comfypipe.backends.comfyui.fleet import FleetBackend
from comfypipe.backends.comfyui.member import Server

LOAD_RUNS = 5
"""A load takes as long as so many runs."""
FAST_S = 0.05
SETS = {"six alike": (40,) * 6, "two large, four small": (80, 80, 40, 40, 40, 40)}
"""By name, how many runs each set of models has."""

Way = Callable[[Sequence[SimulatedServer], Sequence[Submission]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a batch took: seconds by the clock and of the processor, and model loads."""

    wall_s: float
    cpu_s: float
    loads: int


async def by_fleet(servers: Sequence[SimulatedServer], batch: Sequence[Submission]) -> None:
    """Give the whole batch to a fleet."""
    fleet = FleetBackend([Server(each, each.url) for each in servers])

    async def run(wanted: Submission) -> None:
        await fleet.wait(await fleet.submit(wanted))

    await asyncio.gather(*(run(each) for each in batch))
    await fleet.close()


async def in_turns(servers: Sequence[SimulatedServer], batch: Sequence[Submission]) -> None:
    """Deal the batch out, one to each server in turn, all at once: round robin."""

    async def run(index: int, wanted: Submission) -> None:
        server = servers[index % len(servers)]
        await server.wait(await server.submit(wanted))

    await asyncio.gather(*(run(index, each) for index, each in enumerate(batch)))


def measure(way: Way, servers: int, run_s: float, batch: Sequence[Submission]) -> Figures:
    """Run a batch and return what it took."""
    made = [SimulatedServer(f"s{index}", run_s=run_s, load_s=LOAD_RUNS * run_s) for index in range(servers)]
    wall, cpu = time.perf_counter(), time.process_time()
    asyncio.run(_closing(way, made, batch))
    figures = Figures(time.perf_counter() - wall, time.process_time() - cpu, sum(each.loads for each in made))
    if sum(len(each.executed) for each in made) != len(batch):
        raise RuntimeError("not every run was executed once")
    return figures


async def _closing(way: Way, servers: Sequence[SimulatedServer], batch: Sequence[Submission]) -> None:
    await way(servers, batch)
    await asyncio.gather(*(each.close() for each in servers))


def fastest(sizes: Sequence[int], servers: int) -> tuple[float, int]:
    """
    Return a bound that no schedule beats, in runs, and the fewest loads of a schedule that could be as fast.

    With so many loads for so many sets, at least ``2 * sets - loads`` of the sets are not parted; those that are not
    are at best the smallest, each as a whole on some server.
    """
    bounds = []
    for loads in range(len(sizes), 2 * len(sizes) + 1):
        whole = sorted(sizes)[: 2 * len(sizes) - loads]
        shared = (sum(sizes) + LOAD_RUNS * loads) / servers
        bounds.append((max(shared, _whole(whole, servers)), loads))
    return min(bounds)


def _whole(sizes: Sequence[int], servers: int) -> float:
    ends = [
        max(
            sum(size + LOAD_RUNS for size, at in zip(sizes, places, strict=True) if at == server)
            for server in range(servers)
        )
        for places in product(range(servers), repeat=len(sizes))
    ]
    return min(ends, default=0)


def busy_rows() -> list[list[str]]:
    """Return the rows about sixteen servers and runs of 1 s."""
    servers, each = 16, 15
    batch = [submission() for _ in range(servers * each)]
    figures = measure(by_fleet, servers, 1.0, batch)
    cpu_ms = figures.cpu_s / len(batch) * 1000
    return [
        ["ideal", f"{each:.2f} s", "1.0", "", ""],
        ["fleet", f"{figures.wall_s:.2f} s", f"{each / figures.wall_s:.3f}", "≥ 0.97", f"{cpu_ms:.2f} ms"],
    ]


def model_rows() -> list[list[str]]:
    """Return the rows about six sets of models on four servers."""
    rows = []
    for name, sizes in SETS.items():
        batch = [submission(f"set{index}.safetensors") for index, size in enumerate(sizes) for _ in range(size)]
        random.Random(7).shuffle(batch)  # noqa: S311  the same order for both ways
        least, optimum = fastest(sizes, 4)
        rows.append([name, "fastest possible", f"{least * FAST_S:.2f} s", str(optimum), "1.0", ""])
        for way, title, goal in ((by_fleet, "fleet", "≤ 1.2"), (in_turns, "round robin", "")):
            found = measure(way, 4, FAST_S, batch)
            ratio = f"{found.loads / optimum:.2f}"
            rows.append([name, title, f"{found.wall_s:.2f} s", str(found.loads), ratio, goal])
    return rows


def main() -> None:
    """Print the tables."""
    print(table(["240 runs of 1 s on 16 servers", "time", "of ideal", "goal", "processor a run"], busy_rows()))
    print()
    header = ["6 sets of models on 4 servers, shuffled", "how", "time", "loads", "loads / optimum", "goal"]
    print(table(header, model_rows()))


if __name__ == "__main__":
    main()
