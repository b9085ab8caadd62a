"""
Killing a client that runs a project: at named points of what it does, and at moments that nobody chose.

For tests of everything that has to survive kill -9. A `Doom` says where the next life ends. `start_client` starts one
quickly, as the imports were made before its process was forked. `start_command` starts ``comfypipe`` as users do, and
`kill_at` kills it when the ledger, seen from outside, is in some state.
"""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from threading import Timer
from typing import Any, Protocol

from comfypipe._types import JSON
from comfypipe.backends.base import Backend, NodeProgress, OnProgress, OutputFile, RunHandle, RunResult, Submission
from comfypipe.backends.registry import open_backend
from comfypipe.execution.backoff import Patience
from comfypipe.execution.project import Project
from comfypipe.project import ProjectLayout

LEDGER_CALLS: Mapping[str, str] = {
    "add_run": "run",
    "intend": "intent",
    "update_attempt": "news",
    "complete_job": "complete",
    "end_run": "end",
}
"""Of the ledger's methods, those with a point before and one after them."""

POINTS: tuple[str, ...] = (
    *(f"{when} {name}" for name in LEDGER_CALLS.values() for when in ("before", "after")),
    "before POST",
    "amid POST",
    "after POST",
    "before wait",
    "while waiting",
    "after wait",
    "before fetch",
    "while fetching",
    "after fetch",
)
"""What a client passes, in about this order; some of them once for each job."""

STATES: tuple[str, ...] = ("no run", "run", "intended", "submitted", "completed")
"""What the ledger says of the newest attempt, as somebody sees it who looks from outside."""


@dataclass(frozen=True, slots=True)
class Doom:
    """
    Where a life ends.

    Attributes:
        point: One of `POINTS`; None for a moment that nobody chose.
        passes: How often the point is passed before.
        after_s: From the point on, or from the start: how long the process still lives.
    """

    point: str | None
    passes: int = 0
    after_s: float = 0.0

    def __str__(self) -> str:
        place = f"{self.point} #{self.passes + 1}" if self.point else "any moment"
        return f"{place} +{self.after_s * 1000:.0f} ms" if self.after_s else place


def draw_doom(luck: random.Random, jobs: int, longest_s: float) -> Doom:
    """
    Draw where a life ends: at a point twice out of three times, a little behind it every other time.

    Args:
        jobs: How many the run has.
        longest_s: How long a whole run takes about.
    """
    if luck.random() < 1 / 3:
        return Doom(None, after_s=luck.uniform(0.0, longest_s))
    return Doom(luck.choice(POINTS), luck.randrange(jobs), luck.choice((0.0, luck.uniform(0.0, 0.02))))


class Watch:
    """Ends this process where its doom says, as kill -9 does; says on stderr what is passed until then."""

    def __init__(self, doom: Doom | None) -> None:
        self._doom = doom
        self._left = doom.passes if doom else 0

    def waits_for(self, point: str) -> bool:
        """Tell whether a point is the one."""
        return self._doom is not None and self._doom.point == point

    def passed(self, point: str) -> None:
        """Tell that a point is passed."""
        os.write(2, f"{time.time():.3f} {point}\n".encode())
        if self._doom is None or self._doom.point != point:
            return
        self._left -= 1
        if self._left < 0:
            self._end(self._doom.after_s)

    @staticmethod
    def _end(after_s: float) -> None:
        if after_s:
            timer = Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL))
            timer.daemon = True
            timer.start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedLedger:
    """A ledger that passes points before and after what it stores."""

    def __init__(self, ledger: Any, watch: Watch) -> None:
        self._ledger = ledger
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._ledger, name)
        shown = LEDGER_CALLS.get(name)
        if shown is None:
            return call

        async def watched(*arguments: Any, **options: Any) -> Any:
            self._watch.passed(f"before {shown}")
            result = await call(*arguments, **options)
            self._watch.passed(f"after {shown}")
            return result

        return watched


class WatchedBackend:
    """A backend that passes points around what it is asked to do."""

    def __init__(self, backend: Backend, watch: Watch) -> None:
        self._backend = backend
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def submit(self, submission: Submission) -> RunHandle:
        """Submit; in the midst of it is when the server has it, and nobody has read the reply."""
        self._watch.passed("before POST")
        posting = asyncio.ensure_future(self._backend.submit(submission))
        while self._watch.waits_for("amid POST") and not posting.done():
            if await self._backend.find(submission.prompt_id) is not None:
                self._watch.passed("amid POST")
                break
        handle = await posting
        self._watch.passed("after POST")
        return handle

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        """Wait; every piece of news is a point."""

        def told(progress: NodeProgress) -> None:
            self._watch.passed("while waiting")
            if on_progress is not None:
                on_progress(progress)

        self._watch.passed("before wait")
        result = await self._backend.wait(handle, told)
        self._watch.passed("after wait")
        return result

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        """Fetch; in the midst of it is when it has begun."""
        self._watch.passed("before fetch")
        fetching = asyncio.ensure_future(self._backend.fetch(output, destination))
        await asyncio.sleep(0)
        self._watch.passed("while fetching")
        await fetching
        self._watch.passed("after fetch")


Use = Callable[[Project], Any]
"""What a client does with a project: a coroutine function that can be pickled."""


def watched_project(root: Path, watch: Watch, patience: Patience | None = None) -> Project:
    """Open the project at *root*, all of whose points are passed by *watch*."""

    def opener(url: str, layout: ProjectLayout) -> Any:
        return WatchedBackend(open_backend(url, layout), watch)

    project = Project(ProjectLayout.find(root), opener=opener, patience=patience or Patience(grace_s=0.5))
    project.__dict__["ledger"] = WatchedLedger(project.ledger, watch)
    return project


def live(use: Use, root: Path, doom: Doom | None, told: Path) -> None:
    """Be a client that does *use* with the project at *root*; the process ends with 1 where that raises."""
    with told.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.write(2, f"{time.time():.3f} begins, doom: {doom}\n".encode())

    async def session() -> None:
        async with watched_project(root, Watch(doom)) as project:
            await use(project)

    with suppress(KeyboardInterrupt):
        asyncio.run(session())


def client_context() -> ForkServerContext:
    """Return what clients are started from, so that many of them need one import."""
    context = get_context("forkserver")
    own = ("plan.build", "plan.library", "backends.comfyui", "template.render", "execution.outputs")
    others = ("jinja2.sandbox", "ruamel.yaml", "httpx", "httpcore", "h11", "h2.connection", "anyio._backends._asyncio")
    context.set_forkserver_preload([__name__, *(f"comfypipe.{each}" for each in own), *others])
    return context


class Process(Protocol):
    """A life: a client's, or a command's."""

    @property
    def pid(self) -> int | None:
        """Its id."""

    def kill(self) -> None:
        """End it, as kill -9 does."""


def start_client(
    context: ForkServerContext, use: Use, root: Path, doom: Doom | None, told: Path | None = None
) -> ForkServerProcess:
    """
    Start a client; one whose doom has no point is to be killed by who started it.

    Args:
        told: What it says and passes is written to the end of this file.
    """
    process = context.Process(target=live, args=(use, root, doom, told or Path(os.devnull)), daemon=True)
    process.start()
    return process


def end_of_client(process: ForkServerProcess, doom: Doom | None, limit_s: float = 60.0) -> int | None:
    """
    Return how a client ended, killed where its doom has no point; None when it would not end.

    Returns:
        Its exit status, negative for the signal that killed it.
    """
    at_random = doom is not None and doom.point is None
    process.join(doom.after_s if doom is not None and at_random else limit_s)
    ended = process.exitcode
    if ended is None:
        process.kill()
        process.join()
        ended = process.exitcode if at_random else None
    process.close()
    return ended


def start_command(root: Path, *words: str, told: Path | None = None) -> "subprocess.Popen[bytes]":
    """Start ``comfypipe`` in a project, as users do; what it says is written to the end of the file *told*."""
    command = [sys.executable, "-m", "comfypipe", *words]
    with (told or Path(os.devnull)).open("ab") as file:
        file.write(f"{time.time():.3f} $ {' '.join(command)}\n".encode())
        file.flush()
        return subprocess.Popen(command, cwd=root, stdout=file, stderr=file, env={**os.environ, "NO_COLOR": "1"})


def kill_at(process: "subprocess.Popen[bytes]", ledger: Path, state: str, after_s: float, before: int) -> bool:
    """
    Kill a process *after_s* after the ledger is in a state; tell whether it was still there to be killed.

    Args:
        state: One of `STATES`.
        before: How many runs there were when the process began.
    """
    while process.poll() is None and STATES.index(ledger_state(ledger, before)) < STATES.index(state):
        time.sleep(0.001)
    with suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    process.kill()
    return process.wait() == -signal.SIGKILL


def ledger_state(ledger: Path, before: int) -> str:
    """Return what a ledger says of what came after the first *before* runs."""
    rows = _rows(ledger, "SELECT id FROM runs ORDER BY id LIMIT -1 OFFSET ?", before)
    if not rows:
        return "no run"
    query = (
        "SELECT attempts.status FROM attempts JOIN jobs ON jobs.id = attempts.job_id WHERE jobs.run_id = ?"
        " ORDER BY attempts.created_ms DESC LIMIT 1"
    )
    statuses = _rows(ledger, query, rows[-1][0])
    return "run" if not statuses else statuses[0][0] if statuses[0][0] in STATES else "completed"


def runs_in(ledger: Path) -> int:
    """Return how many runs a ledger has."""
    return len(_rows(ledger, "SELECT id FROM runs WHERE 1 = ?", 1))


def _rows(ledger: Path, query: str, value: JSON) -> list[tuple[Any, ...]]:
    if not ledger.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=1.0)) as connection:
            return connection.execute(query, (value,)).fetchall()
    except sqlite3.OperationalError:  # it is being made, or somebody writes
        return []
