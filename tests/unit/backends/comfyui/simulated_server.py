"""A server in memory that takes its time, loads models, counts what it does, and fails in every way on demand."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from comfypipe._types import JSONObject
from comfypipe.backends.base import (
    NodeProgress,
    OnProgress,
    OutputFile,
    RunHandle,
    RunResult,
    RunStatus,
    Submission,
)
from comfypipe.backends.comfyui.needs import needs_of
from comfypipe.errors import (
    BackendUnavailable,
    OutOfMemory,
    PromptInvalid,
    RunCancelled,
    RunError,
    RunFailed,
    ServerStateLost,
    SubmissionUnknown,
)
from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo

UNREACHABLE_S = 15.0
STALL_S = 60.0


@dataclass(slots=True, eq=False)
class _Run:
    prompt_id: str
    models: frozenset[str]
    done: asyncio.Event = field(default_factory=asyncio.Event)
    result: RunResult | None = None
    on_progress: OnProgress | None = None


class SimulatedServer:
    """
    Runs one prompt at a time.

    Attributes:
        executed: Ids of the prompts that ran to their end, in order, probes included.
        loads: How often it loaded models.
        most_queued: The longest its queue has been.
        failing: By what a run ends instead of well, while it is set.
    """

    simulated = False
    takes_urls = False

    def __init__(self, name: str, *, run_s: float = 1.0, load_s: float = 0.0, info: JSONObject | None = None) -> None:
        self.url = f"http://{name}:8188"
        self.run_s = run_s
        self.load_s = load_s
        self.info = info
        self.executed: list[str] = []
        self.fetched: list[str] = []
        self.loads = 0
        self.most_queued = 0
        self.loaded: frozenset[str] = frozenset()
        self.failing: RunError | None = None
        self.silent = False
        self.zombie = False
        self.loses_reply = False
        self.refuses: PromptInvalid | None = None
        self.closed = False
        self._queue: list[_Run] = []
        self._runs: dict[str, _Run] = {}
        self._worker: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @property
    def queued(self) -> list[str]:
        """Ids of what runs and waits."""
        return [each.prompt_id for each in self._queue]

    def falls_silent(self) -> None:
        """Answer nothing from now on, and work on."""
        self.silent = True
        self._stir()

    def becomes_zombie(self) -> None:
        """Execute nothing from now on, and answer."""
        self.zombie = True
        if self._worker is not None:
            self._worker.cancel()
            self._worker = None

    def restarts(self) -> None:
        """Forget everything, and be well again."""
        self.becomes_zombie()
        self._queue, self._runs = [], {}
        self.loaded, self.zombie, self.silent, self.failing = frozenset(), False, False, None
        self._stir()

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        self._answer()
        return ObjectInfo(self.info) if self.info is not None else None

    async def submit(self, submission: Submission) -> RunHandle:
        self._answer()
        if self.refuses is not None:
            raise self.refuses
        run = _Run(submission.prompt_id, needs_of(PromptGraph.parse(submission.prompt)).models)
        self._runs[run.prompt_id] = run
        self._queue.append(run)
        self.most_queued = max(self.most_queued, len(self._queue))
        if (self._worker is None or self._worker.done()) and not self.zombie:
            self._worker = asyncio.create_task(self._work())
        if self.loses_reply:
            raise SubmissionUnknown("the reply was lost")
        return RunHandle(submission.prompt_id)

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        self._answer()
        return RunHandle(prompt_id) if prompt_id in self._runs else None

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        while True:
            if self.silent:
                await asyncio.sleep(UNREACHABLE_S)
                self._answer()
            run = self._runs.get(handle.prompt_id)
            if run is None:
                raise ServerStateLost("forgotten")
            run.on_progress = on_progress
            if run.result is not None:
                return run.result
            await self._news(run)

    async def _news(self, run: _Run) -> None:
        changed = asyncio.ensure_future(self._changed.wait())
        done = asyncio.ensure_future(run.done.wait())
        try:
            ready, _ = await asyncio.wait((changed, done), timeout=STALL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            done.cancel()
        if not ready and self.zombie and self._queue[0] is run:
            raise BackendUnavailable("it holds the run as running and executes nothing")

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        self._answer()
        self.fetched.append(output.filename)

    async def cancel(self, handle: RunHandle) -> None:
        self._answer()
        run = self._runs.get(handle.prompt_id)
        if run is not None and run in self._queue:
            if self.zombie and self._queue[0] is run:
                await asyncio.sleep(STALL_S)
            elif self._queue[0] is run and self._worker is not None:
                self._worker.cancel()
                self._worker = asyncio.create_task(self._work())
            self._end(run, RunResult(RunStatus.CANCELLED, error=RunCancelled("cancelled")))

    async def close(self) -> None:
        self.closed = True
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def _answer(self) -> None:
        if self.silent:
            raise BackendUnavailable("nobody there") from ConnectionRefusedError()

    async def _work(self) -> None:
        while self._queue:
            run = self._queue[0]
            if not run.models <= self.loaded:
                self.loads += 1
                self.loaded = run.models
                await asyncio.sleep(self.load_s)
            await asyncio.sleep(self.run_s)
            if run.on_progress is not None:
                run.on_progress(NodeProgress(run.prompt_id, "finished", "1"))
            if run in self._queue:
                self._complete(run)

    def _complete(self, run: _Run) -> None:
        if self.failing is not None:
            self._end(run, RunResult(RunStatus.FAILED, error=self.failing))
            return
        self.executed.append(run.prompt_id)
        file = OutputFile("1", "images", f"{run.prompt_id}.png")
        self._end(run, RunResult(RunStatus.COMPLETED, files=(file,)))

    def _end(self, run: _Run, result: RunResult) -> None:
        self._queue.remove(run)
        run.result = result
        run.done.set()

    def _stir(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def prompt(models: str = "", *, class_type: str = "Draw") -> JSONObject:
    """Return a prompt that needs these models, with commas between them."""
    inputs = {f"model_{index}": name for index, name in enumerate(filter(None, models.split(",")))}
    return {"1": {"class_type": class_type, "inputs": inputs}}


def submission(models: str = "", *accelerator: str, class_type: str = "Draw") -> Submission:
    """Return a submission that needs these models, under an id of its own."""
    return Submission(str(uuid4()), prompt(models, class_type=class_type), accelerator=accelerator)


def out_of_memory() -> OutOfMemory:
    """Return what a run raises that finds too little memory."""
    return OutOfMemory("out of memory", exception_type="torch.OutOfMemoryError")


def broken_gpu() -> RunFailed:
    """Return what every run raises on a GPU whose context is broken."""
    return RunFailed("CUDA error: an illegal memory access was encountered", exception_type="RuntimeError")
