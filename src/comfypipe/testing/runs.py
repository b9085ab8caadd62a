"""Running a prompt on a backend, in a line."""

from pathlib import Path
from uuid import uuid4

from comfypipe._types import JSONObject
from comfypipe.backends.base import Backend, InputFile, OutputFile, RunResult, Submission


def submission(prompt: JSONObject, *files: InputFile) -> Submission:
    """Return a submission of *prompt* under a new id."""
    return Submission(str(uuid4()), prompt, files)


async def run(backend: Backend, prompt: JSONObject, *files: InputFile) -> RunResult:
    """Submit a prompt and wait for its end."""
    return await backend.wait(await backend.submit(submission(prompt, *files)))


async def fetched(backend: Backend, output: OutputFile, folder: Path) -> bytes:
    """Fetch a file and return its bytes."""
    destination = folder / uuid4().hex / "file"
    await backend.fetch(output, destination)
    return destination.read_bytes()
