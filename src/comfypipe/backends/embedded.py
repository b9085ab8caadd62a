"""The engine in this process, behind the protocol of all backends: ``embedded:``."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

from comfypipe.backends._files import place_input, write_whole
from comfypipe.backends._tracked_run import TrackedRun, error_of, progress_of
from comfypipe.backends.base import (
    OnProgress,
    OutputFile,
    RunHandle,
    RunResult,
    RunStatus,
    Submission,
)
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.custom import installed_nodes, loaded_nodes, with_custom
from comfypipe.engine.events import Event, RunInterrupted
from comfypipe.engine.executor import DEFAULT_CACHE_BYTES, Engine, Prepared, refuse_invalid
from comfypipe.engine.files import file_path, shown_files
from comfypipe.engine.offline import MISSING_HINT
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.queue import PromptQueue, QueueItem, Worker
from comfypipe.engine.registry import Folders, Registry
from comfypipe.errors import BackendRejected, BackendUnavailable, RunCancelled, RunFailed, ServerStateLost
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

DEFAULT_OUTPUT_BYTES = 4 * 1024**3
"""What the engine's own copies of outputs may take; a project's outputs are kept by its store."""

KEPT_RUNS = 1_000
"""Ended runs that are remembered; older ones are forgotten first."""


class EmbeddedBackend:
    """
    Runs prompts of model-free nodes in this process, one after the other, in one thread.

    Args:
        folder: Holds ``input``, ``output`` and ``temp``; made when it is first needed.
        registry: The node classes; all core ones where nothing is said.
        cache_bytes: How much the results that are kept between prompts may hold.
        missing_hint: What to do about a class that the registry does not have.
        output_bytes: How much the files in ``output`` and ``temp`` may take: beyond it the oldest go. None: all stay.
    """

    def __init__(
        self,
        folder: Path,
        *,
        registry: Registry | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        missing_hint: str = MISSING_HINT,
        output_bytes: int | None = DEFAULT_OUTPUT_BYTES,
    ) -> None:
        self._folder = folder
        folders = Folders(input=folder / "input", output=folder / "output", temp=folder / "temp")
        self._engine = Engine(folders, registry, cache_bytes, missing_hint, output_bytes)
        self._queue = PromptQueue()
        self._numbers = count()
        self._runs: dict[str, TrackedRun] = {}
        self._lock = Lock()
        self._worker: Worker | None = None
        self._closed = False

    @property
    def url(self) -> str:
        """What the user called it."""
        return "embedded:"

    @property
    def simulated(self) -> bool:
        """Nothing is stood in for."""
        return False

    @property
    def takes_urls(self) -> bool:
        """Files must lie on this machine."""
        return False

    @property
    def engine(self) -> Engine:
        """What runs the prompts."""
        return self._engine

    async def object_info(self, *, fresh: bool = False) -> ObjectInfo | None:
        """Return the node classes, with the files that there are now."""
        del fresh  # it always is
        return await asyncio.to_thread(self._engine.object_info)

    async def submit(self, submission: Submission) -> RunHandle:
        """
        Put the files in place and queue the prompt. A prompt id that is already known is not run again.

        Raises:
            PromptInvalid: Something in the prompt is wrong, or a node class is missing.
            BackendRejected: A file cannot be put in place.
            BackendUnavailable: The backend is closed.
        """
        known = self._runs.get(submission.prompt_id)
        if known is None:
            prepared = await asyncio.to_thread(self._prepare, submission)
            self._enqueue(submission, prepared)
        return RunHandle(submission.prompt_id)

    async def find(self, prompt_id: str, server: str | None = None) -> RunHandle | None:
        """Return the handle of a prompt that was submitted to this object."""
        del server  # there is one
        return RunHandle(prompt_id) if prompt_id in self._runs else None

    async def wait(self, handle: RunHandle, on_progress: OnProgress | None = None) -> RunResult:
        """
        Return when the run has ended. What happened before the call is told first.

        Raises:
            ServerStateLost: This object does not know the run.
        """
        return await self._run(handle).wait(on_progress)

    async def fetch(self, output: OutputFile, destination: Path) -> None:
        """
        Copy a file that a run made to *destination*: whole, or not at all.

        Raises:
            BackendRejected: The file is gone, or its name leads out of the engine's folders.
            BackendError: There is no room for it.
        """
        await asyncio.to_thread(self._fetch, output, destination)

    async def cancel(self, handle: RunHandle) -> None:
        """Return when the run is no longer queued or running."""
        run = self._runs.get(handle.prompt_id)
        if run is None:
            return
        run.item.interruption.request()
        if self._queue.remove([handle.prompt_id]):
            run.finish(_cancelled())
        await run.wait(None)

    async def close(self) -> None:
        """End the runs that wait or run, and the thread. Nothing can be submitted any more."""
        with self._lock:
            self._closed = True
            worker, self._worker = self._worker, None
        for item in self._queue.remove():
            self._runs[item.prompt_id].finish(_cancelled())
        if worker is not None:
            await asyncio.to_thread(worker.close)

    def _prepare(self, submission: Submission) -> Prepared:
        for file in submission.files:
            place_input(file, self._folder)
        prepared = self._engine.prepare(submission.prompt)
        refuse_invalid(prepared, self._engine.registry, self._engine.missing_hint)
        return prepared

    def _enqueue(self, submission: Submission, prepared: Prepared) -> None:
        about = {"accelerator": (*submission.accelerator, None)[0], "models": submission.models}
        extra_data = {"extra_pnginfo": submission.extra_pnginfo, **about}
        item = QueueItem(next(self._numbers), submission.prompt_id, prepared, extra_data)
        with self._lock:
            if self._closed:
                raise BackendUnavailable("the embedded engine is closed", hint="open the backend again")
            if submission.prompt_id in self._runs:  # submitted twice at the same time
                return
            self._runs[submission.prompt_id] = TrackedRun(item)
            self._forget_old_runs()
            if self._worker is None:
                self._worker = Worker(self._queue, self._perform)
            self._queue.put(item)

    def _forget_old_runs(self) -> None:
        if len(self._runs) > KEPT_RUNS:
            oldest = next((key for key, run in self._runs.items() if run.status.final), None)
            if oldest is not None:
                del self._runs[oldest]

    def _perform(self, item: QueueItem) -> None:
        run = self._runs[item.prompt_id]

        def listen(event: Event) -> None:
            for progress in progress_of(event, item.prepared.graph):
                run.tell(progress)

        run.start()
        try:
            outcome = self._engine.execute(
                item.prepared,
                prompt_id=item.prompt_id,
                extra_pnginfo=item.extra_data["extra_pnginfo"],
                listener=listen,
                interruption=item.interruption,
                accelerator=item.extra_data["accelerator"],
                models=item.extra_data["models"],
            )
        except Exception as error:  # noqa: BLE001  the thread must live on, and whoever waits must hear of it
            run.finish(RunResult(RunStatus.FAILED, error=RunFailed(f"the engine itself failed: {error!r}")))
        else:
            run.finish(result_of(outcome, item.prepared))

    def _fetch(self, output: OutputFile, destination: Path) -> None:
        try:
            source = file_path(output.filename, output.subfolder, output.kind, self._engine.folders)
        except ValueError as error:
            raise BackendRejected(f"not a file of the engine: {error}") from error
        if not source.is_file():
            raise BackendRejected(
                f"the engine's file {output.filename} is gone", hint="run it anew: the file was deleted after the run"
            )
        write_whole(source, destination)

    def _run(self, handle: RunHandle) -> TrackedRun:
        run = self._runs.get(handle.prompt_id)
        if run is None:
            raise ServerStateLost(
                f"the embedded engine does not know the run {handle.prompt_id}",
                hint="it keeps runs only while the process lives: submit it again",
            )
        return run


def create(url: str, settings: Mapping[str, Any], layout: ProjectLayout) -> EmbeddedBackend:
    """
    Open ``embedded:``.

    Args:
        settings: ``cache_bytes`` and ``output_bytes``, where others than the defaults are wanted; ``nodes``, modules or
            files with node classes of one's own, beside those of installed packages.
        layout: Says where the engine keeps its files (``layout.engine``).

    Raises:
        UsageError: Nodes of one's own cannot be loaded.
    """
    return create_in(layout.engine, url, settings, layout)


def create_in(
    folder: Path,
    url: str,  # noqa: ARG001  the seam of all
    settings: Mapping[str, Any],
    layout: ProjectLayout,
) -> EmbeddedBackend:
    """Open ``embedded:`` with its files in *folder*; the rest as `create`."""
    registry = own_registry(settings.get("nodes", ()), layout)
    return EmbeddedBackend(folder, registry=registry, **bounds_of(settings))


def bounds_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of an engine's bounds that settings have, as numbers; None stands for no bound."""
    given = {name: settings[name] for name in ("cache_bytes", "output_bytes") if name in settings}
    return {name: None if value is None else int(value) for name, value in given.items()}


def own_registry(nodes: str | Sequence[str], layout: ProjectLayout) -> Registry:
    """Return the core classes, those of installed packages, and those of the modules or files that are named."""
    named = loaded_nodes([nodes] if isinstance(nodes, str) else nodes, layout.root)
    return with_custom(core_registry(), (*installed_nodes(), *named))


def result_of(outcome: Outcome, prepared: Prepared) -> RunResult:
    """Put an outcome of the engine into the form of all backends; files come in the order of the prompt's nodes."""
    values = {node_id: outcome.outputs[node_id] for node_id in prepared.graph.nodes if node_id in outcome.outputs}
    files = tuple(
        OutputFile(node_id, key, each["filename"], each.get("subfolder", ""), each.get("type", "output"))
        for node_id, ui in values.items()
        for key, each in shown_files(ui)
    )
    status = RunStatus.COMPLETED if outcome.succeeded else RunStatus.FAILED
    if isinstance(outcome.end, RunInterrupted):
        status = RunStatus.CANCELLED
    return RunResult(
        status=status,
        files=files,
        values=values,
        error=error_of(outcome.end),
        execution_s=outcome.seconds,
        node_seconds=outcome.node_seconds,
        simulated=outcome.simulated,
    )


def _cancelled() -> RunResult:
    return RunResult(RunStatus.CANCELLED, error=RunCancelled("the run was cancelled before it started"))
