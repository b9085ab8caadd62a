"""The video of a product that turns, made anew every night from the frames that are there."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from comfypipe import Run
from comfypipe.orchestration import cancel_runs, open_project, run_workflow


@flow(name="nightly_turntable", flow_run_name="turntable of {frames}", on_cancellation=[cancel_runs])
async def nightly_turntable(
    frames: str = "assets/turntable",
    fps: Annotated[float, Field(ge=1, le=120)] = 12,
    turns: Annotated[int, Field(ge=1, le=60)] = 2,
    out: str = "out/turntable",
) -> Run:
    """
    Make a video of all pictures in a folder. A night on which no picture changed costs nothing: the video is stored.

    Args:
        frames: Folder of PNG pictures of one size; they are played in the order of their names.
        fps: Pictures a second.
        turns: How often the pictures are played.
        out: Folder that the video is copied into.
    """
    async with open_project() as project:
        pictures = [str(path) for path in sorted((project.layout.root / frames).glob("*.png"))]
        return await run_workflow("turntable", {"frames": pictures, "fps": fps, "turns": turns}, out=out)
