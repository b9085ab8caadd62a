"""What Prefect adds to a batch: a task for each chunk of rows, and a task for each row, against no Prefect at all."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from _timing import table

ROWS, ROWS_ONE_BY_ONE = 400, 80
CHUNK_LIMIT = 1.5
"""A chunk's task may take so many times as long as the rows without Prefect."""

MANIFEST = """
apiVersion: comfypipe/v1
kind: Workflow
workflow: workflows/dot.json.j2
inputs: {colour: {type: integer}}
outputs: {image: {type: image, node: "2"}}
"""
TEMPLATE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": "COLOUR"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "dot"}},
}


def make_project(folder: Path) -> None:
    """Write a project whose one workflow does next to nothing: what is left is the overhead."""
    for name in ("manifests", "workflows"):
        (folder / name).mkdir()
    (folder / "pyproject.toml").write_text("[tool.comfypipe]\n")
    (folder / "manifests/dot.yaml").write_text(MANIFEST)
    (folder / "workflows/dot.json.j2").write_text(json.dumps(TEMPLATE).replace('"COLOUR"', "{{ colour }}"))


def write_rows(path: Path, first: int, count: int) -> Path:
    """Write rows that no other run has, so that nothing comes from the store."""
    path.write_text("colour\n" + "".join(f"{number}\n" for number in range(first, first + count)))
    return path


async def plain(folder: Path, rows: Path) -> None:
    """Run all rows as a batch without Prefect."""
    from comfypipe import Project
    from comfypipe.batch.batch import open_batch
    from comfypipe.batch.request import BatchRequest

    async with Project.load(folder) as project, open_batch(project, BatchRequest("dot", rows)) as batch:
        if (outcome := await batch.finish(await batch.run())).tally.failed:
            raise RuntimeError(outcome)


async def measure(folder: Path) -> list[tuple[str, float]]:
    """Return by way of running the milliseconds that a row takes."""
    from prefect import flow

    from comfypipe.batch.readers import read
    from comfypipe.orchestration import open_project, run_batch, run_workflow

    @flow
    async def in_chunks(folder: Path, rows: Path) -> None:
        async with open_project(folder):
            (await run_batch("dot", rows, chunk_size=100)).raise_if_failed()

    @flow
    async def one_by_one(folder: Path, rows: Path) -> None:
        async with open_project(folder), asyncio.TaskGroup() as group:
            for row in read(rows):
                group.create_task(run_workflow("dot", row.values))

    async def timed(call: Callable[[Path, Path], Awaitable[None]], first: int, count: int) -> float:
        rows = write_rows(folder / "rows.csv", first, count)
        began = time.perf_counter()
        await call(folder, rows)
        return 1000 * (time.perf_counter() - began) / count

    await timed(plain, 0, 20)
    await timed(in_chunks, 20, 20)
    return [
        ("no Prefect", min([await timed(plain, 1000 * n, ROWS) for n in (1, 2, 3)])),
        ("a task for each 100 rows", min([await timed(in_chunks, 1000 * n, ROWS) for n in (4, 5, 6)])),
        ("a task for each row", await timed(one_by_one, 7000, ROWS_ONE_BY_ONE)),
    ]


def main() -> int:
    """Print the table; 1 when chunks cost too much."""
    with tempfile.TemporaryDirectory() as folder:
        make_project(Path(folder))
        # Before Prefect is imported: that is when it reads them.
        os.environ.update(
            DO_NOT_TRACK="1",
            PREFECT_HOME=f"{folder}/prefect",
            PREFECT_LOGGING_LEVEL="ERROR",
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            PREFECT_SERVER_LOGGING_LEVEL="CRITICAL",
        )
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=150):
            found = asyncio.run(measure(Path(folder)))
    base = found[0][1]
    print(table(["way", "ms a row", "ratio"], [[way, f"{ms:.1f}", f"{ms / base:.2f}"] for way, ms in found]))
    return int(found[1][1] > CHUNK_LIMIT * base)


if __name__ == "__main__":
    sys.exit(main())
