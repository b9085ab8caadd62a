"""A program that runs a pipeline and kills itself at a named point, as kill -9 would."""

import asyncio
import os
import signal
from pathlib import Path

from tests.unit.execution.folder_backend import FolderBackend
from tests.unit.execution.projects import open_project

from comfypipe.execution.events import Event, StepFinished


def main(root: Path, server: Path, point: str, passes: int, cache: bool, hold: bool = False) -> None:
    """
    Run the pipeline of the project at *root*, and die when *point* is passed for the time after *passes*.

    Args:
        server: The folder that is the server: it outlives this process.
        point: ``none`` to live.
        hold: Another process runs what is submitted.
    """
    left = passes

    def pass_by(passed: str) -> None:
        nonlocal left
        if passed == point:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    def listen(event: Event) -> None:
        pass_by("between steps" if isinstance(event, StepFinished) else type(event).__name__)

    async def session() -> None:
        backend = FolderBackend(server, hold=hold, hook=lambda passed, _prompt_id: pass_by(passed))
        async with open_project(root, backend) as project:
            await project.run("card", {"caption": True}, listener=listen, cache=cache)

    asyncio.run(session())
