"""A picture in many colours: one run for each row of a file, in chunks."""

from typing import Annotated, Literal

from prefect import flow
from pydantic import Field

from comfypipe.orchestration import BatchReport, run_batch


@flow(name="recolour_batch", flow_run_name="recolour {rows}")
async def recolour_batch(
    rows: str = "assets/colours.csv",
    preset: Literal["pastel"] | None = None,
    chunk_size: Annotated[int, Field(ge=1, le=1000)] = 500,
    concurrency: Annotated[int, Field(ge=1, le=256)] | None = None,
    out: str | None = "out/recolour",
) -> BatchReport:
    """
    Tint pictures as the rows say. Rows that were done before are not run again.

    Args:
        rows: CSV, JSONL or Parquet with the inputs of the workflow recolour: image, colour, strength.
        preset: Values for what a row leaves out.
        chunk_size: Rows that one task runs.
        concurrency: Rows that are worked on at once; as the backend needs, when empty.
        out: Folder that gets the pictures, and results.jsonl.
    """
    report = await run_batch("recolour", rows, preset=preset, out=out, chunk_size=chunk_size, concurrency=concurrency)
    return report.raise_if_failed()
