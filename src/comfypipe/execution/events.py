"""What happens while a run goes on, for whoever shows progress."""

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from comfypipe.backends.base import NodeProgress
from comfypipe.errors import ComfypipeError


class RunStarted(Struct, frozen=True):
    """
    A run begins.

    Attributes:
        steps: Ids of its steps; each comes after what it reads.
        resumed: It was left unfinished by a process that is gone, and goes on.
        continues: The cancelled or failed run whose finished jobs it takes up.
    """

    run_id: str
    name: str
    steps: tuple[str, ...]
    resumed: bool = False
    continues: str | None = None


class StepStarted(Struct, frozen=True):
    """All that a step reads is there; it needs so many *jobs*."""

    run_id: str
    step: str
    jobs: int


class StepSkipped(Struct, frozen=True):
    """A step does not run: its ``when`` is false, or it reads one that was skipped."""

    run_id: str
    step: str


class StepFinished(Struct, frozen=True):
    """A step has ended: *status* is ``completed``, ``failed`` or ``cancelled`` (a step that it reads failed)."""

    run_id: str
    step: str
    status: str


class JobQueued(Struct, frozen=True):
    """
    A backend has taken a job.

    Attributes:
        nodes: By node id, its title or class: what the ids in `JobProgress` stand for.
        attempt: Counted from 1.
        server: Which server of the backend has it, where there are several.
    """

    run_id: str
    step: str
    item: int | None
    prompt_id: str
    attempt: int
    backend: str
    nodes: dict[str, str] = {}
    server: str | None = None


class FilesProgress(Struct, frozen=True):
    """
    A file that a job needs is being fetched.

    Attributes:
        url: As messages show it: without what may be secret.
        total_bytes: None when its server does not say.
    """

    run_id: str
    step: str
    item: int | None
    url: str
    received_bytes: int
    total_bytes: int | None


class FilesFetched(Struct, frozen=True):
    """All files that a job names by URL are here; *count* of them were transferred. It is no time of execution."""

    run_id: str
    step: str
    item: int | None
    count: int
    seconds: float


class JobProgress(Struct, frozen=True):
    """The backend says something of a job: started, a node began, a node is so far, a preview."""

    run_id: str
    step: str
    item: int | None
    progress: NodeProgress


class JobRetried(Struct, frozen=True):
    """A try failed in a way that is worth another, which comes in *delay_s*."""

    run_id: str
    step: str
    item: int | None
    error: ComfypipeError
    delay_s: float


class JobFinished(Struct, frozen=True):
    """A job's outputs are stored; *cached*: they were there before."""

    run_id: str
    step: str
    item: int | None
    cached: bool
    simulated: bool = False


class JobFailed(Struct, frozen=True):
    """A job has ended without outputs."""

    run_id: str
    step: str
    item: int | None
    error: ComfypipeError


class RunFinished(Struct, frozen=True):
    """A run has ended: *status* is ``completed``, ``failed`` or ``cancelled``."""

    run_id: str
    status: str
    error: ComfypipeError | None = None


Event: TypeAlias = (
    RunStarted
    | StepStarted
    | StepSkipped
    | StepFinished
    | FilesProgress
    | FilesFetched
    | JobQueued
    | JobProgress
    | JobRetried
    | JobFinished
    | JobFailed
    | RunFinished
)

Listener: TypeAlias = Callable[[Event], None]
"""Called in the event loop, in order; it must return at once, and what it raises ends the run."""


def ignore(_event: Event) -> None:
    """Listen to nothing."""
