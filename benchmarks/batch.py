"""
What batches cost: against a bare client on two servers, and per row at 1,000 and at 100,000 rows.

Two `comfypipe engine` servers, in processes of their own, take 2,000 prompts, each another one. The bare client posts
all of them (half to each server), waits on the sockets for all, and fetches all outputs. Once as fast as the servers'
own work lets them, and once with a GPU's time in each run that no processor is busy in, as with real servers.

The rows of the second part run on the embedded engine, whose one node does nothing: what is measured is the client.

    scripts/bench benchmarks/batch.py [pair|scale] [ROWS]
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from _timing import table
from comfypipe.testing.servers import engine_process
from comfyui_client import FILES, bare_client, fetch, gather, post, prompt_of

PAIR_ROWS, ROUNDS = 2_000, 3
FEW, MANY = 1_000, 100_000
GPU_MS = 40
RATIO_GOAL, SCALE_GOAL, MEMORY_GOAL_MIB, RESUME_GOAL_S = 0.95, 1.3, 300, 10.0
COLOURS = count(1)

NOTHING = {
    "pyproject.toml": '[tool.comfypipe]\nbackend = "local"\n'
    '[tool.comfypipe.backends.local]\nurl = "embedded:"\nnodes = ["nothing.py"]\n',
    "nothing.py": '''from comfypipe.engine import Result, node


@node("Nothing", output_node=True)
def nothing(number: int) -> None:
    """Do nothing."""
    return Result(ui={"text": [str(number)]})
''',
    "workflows/nothing.json.j2": '{"1": {"class_type": "Nothing", "inputs": {"number": {{ number }} } } }',
    "manifests/nothing.yaml": """
        apiVersion: comfypipe/v1
        kind: Workflow
        workflow: workflows/nothing.json.j2
        inputs: {number: {type: integer}}
        outputs: {said: {type: text, node: "1"}}
        """,
}


@dataclass(frozen=True, slots=True)
class Life:
    """What one command took: seconds by the clock, of processors, and the most memory that it held."""

    wall_s: float
    session_s: float
    cpu_s: float
    peak_mib: float


def make_project(folder: Path, files: dict[str, str]) -> Path:
    """Write a project."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def write_rows(path: Path, column: str, values: Iterator[int], rows: int) -> Path:
    """Write rows that no other batch has."""
    path.write_text(f"{column}\n" + "".join(f"{next(values)}\n" for _ in range(rows)))
    return path


def batch(folder: Path, *words: str) -> Life:
    """Run ``comfypipe batch`` to its end."""
    command = [sys.executable, "-m", "comfypipe", "batch", *words, "--json"]
    began = time.perf_counter()
    with (folder / "events.jsonl").open("wb") as events:
        process = subprocess.Popen(command, cwd=folder, stdout=events, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    with (folder / "events.jsonl").open("rb") as events:  # its end: what this process holds counts as its children's
        events.seek(max(0, events.seek(0, os.SEEK_END) - 65_536))
        said = events.read()
    if process.returncode != 0:
        raise RuntimeError(said[-2000:].decode())
    last = json.loads(said.splitlines()[-1])
    if last["status"] != "completed":
        raise RuntimeError(last)
    return Life(time.perf_counter() - began, last["seconds"], used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


# Two servers


async def by_bare_client(urls: list[str], folder: Path, rows: int) -> None:
    """Post all, wait for all, fetch all: half on each server, eight at once."""

    async def on_one(url: str) -> None:
        async with bare_client(url, 8) as (client, ends, client_id):
            prompts = (prompt_of(next(COLOURS)) for _ in range(rows // len(urls)))
            posted = await gather(8, (post(client, client_id, prompt) for prompt in prompts))
            await asyncio.gather(*(ends.of(prompt_id).wait() for prompt_id in posted))
            await gather(8, (fetch(client, prompt_id, folder) for prompt_id in posted))

    await asyncio.gather(*(on_one(url) for url in urls))


def pair(rows: int, gpu_ms: int) -> tuple[list[str], float]:
    """Return a line of the table, and the best ratio of the bare client's time to that of a batch."""
    faults = [f"slow-runs=always,ms:{gpu_ms}"] if gpu_ms else []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = [stack.enter_context(engine_process(faults=faults)).url for _ in range(2)]
        project = make_project(folder / "project", FILES)
        (folder / "bare").mkdir()
        lives, bare = [], []
        for number in range(ROUNDS):
            began = time.perf_counter()
            asyncio.run(by_bare_client(urls, folder / "bare", rows))
            bare.append(time.perf_counter() - began)
            write_rows(project / f"rows{number}.csv", "colour", COLOURS, rows)
            lives.append(batch(project, "tile", f"rows{number}.csv", "--backend", ",".join(urls), "--out", "out"))
    ratios = [took / life.session_s for took, life in zip(bare, lives, strict=True)]
    best = max(ratios)
    name = f"{gpu_ms} ms of GPU in each" if gpu_ms else "no GPU's time"
    figures = [f"{rows / min(bare):.0f}", f"{rows / min(each.session_s for each in lives):.0f}"]
    return [name, *figures, " ".join(f"{each:.2f}" for each in ratios)], best


# Many rows


def scale(many: int) -> tuple[str, bool]:
    """Return the table of few and many rows, and whether the goals are reached."""
    with tempfile.TemporaryDirectory() as place:
        folder, numbers = make_project(Path(place), NOTHING), count(1)

        def done(name: str, rows: int) -> Life:
            write_rows(folder / f"{name}.csv", "number", numbers, rows)
            return batch(folder, "nothing", f"{name}.csv")

        one, *fews = done("one", 1), done("few0", FEW), done("few1", FEW)
        lots = done("many", many)
        again = batch(folder, "nothing", "many.csv")
        fews += [done("few2", FEW), done("few3", FEW)]  # before and after: these machines are faster at times
    few = sorted(fews, key=lambda life: life.cpu_s)[len(fews) // 2]
    cost = {rows: 1000 * (life.cpu_s - one.cpu_s) / rows for rows, life in ((FEW, few), (many, lots))}
    lines = [
        [f"{rows:,}", f"{1000 * life.session_s / rows:.2f}", f"{cost[rows]:.2f}", f"{life.peak_mib:.0f}"]
        for rows, life in ((FEW, few), (many, lots))
    ]
    lines.append(
        [f"{many:,}, all done", f"{again.wall_s:.1f} s in all", f"{again.cpu_s:.1f} s", f"{again.peak_mib:.0f}"]
    )
    ratio = cost[many] / cost[FEW]
    good = ratio <= SCALE_GOAL and lots.peak_mib <= MEMORY_GOAL_MIB and again.wall_s <= RESUME_GOAL_S
    header = ["rows", "ms a row by the clock", "of processor", "peak MiB"]
    return f"{table(header, lines)}\n\na row of many against one of few: {ratio:.2f}", good


def main() -> int:
    """Print the tables; 1 where a goal is missed."""
    part, rows = (sys.argv[1:] + ["all", "0"][len(sys.argv[1:]) :])[:2]
    good = True
    if part in ("all", "pair"):
        found = [pair(int(rows) or PAIR_ROWS, gpu_ms) for gpu_ms in (GPU_MS, 0)]
        print(table(["work", "bare rows/s", "batch rows/s", "ratios"], [line for line, _ in found]))
        good = found[0][1] >= RATIO_GOAL
    if part in ("all", "scale"):
        text, reached = scale(int(rows) or MANY)
        print(text)
        good = good and reached
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
