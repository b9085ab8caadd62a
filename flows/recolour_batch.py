"""A picture in many colours: one run for each row of a file, in chunks."""

from typing import Annotated, Literal

from prefect import flow
from pydantic import Field

from comfypipe.orchestration import BatchReport, find_chunks, open_project, run_chunk


@flow(name="recolour_batch", flow_run_name="recolour {rows}")
async def recolour_batch(
    rows: str = "assets/colours.csv",
    preset: Literal["pastel"] | None = None,
    chunk_size: Annotated[int, Field(ge=1, le=1000)] = 500,
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8,
    out: str | None = "out/recolour",
) -> BatchReport:
    """
    Tint pictures as the rows say. Rows that were done before are not run again.

    Args:
        rows: CSV or JSONL with the inputs of the workflow recolour: image, colour, strength.
        preset: Values for what a row leaves out.
        chunk_size: Rows that one task runs.
        concurrency: Rows that are worked on at once.
        out: Folder that gets a folder with the picture of each row.
    """
    report = BatchReport()
    async with open_project():
        for chunk in await find_chunks(rows, chunk_size):
            report += await run_chunk("recolour", chunk, preset=preset, out=out, concurrency=concurrency)
    return report.raise_if_failed()
