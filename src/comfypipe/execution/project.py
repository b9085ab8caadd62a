"""A project, as programs use it: its library, its runs, and running."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

from comfypipe._types import JSONObject
from comfypipe.backends.registry import BackendPool, OpenBackend, open_backend
from comfypipe.errors import ComfypipeError, PlanError, ProjectNotFound, PromptInvalid, UsageError
from comfypipe.execution.backoff import Patience
from comfypipe.execution.begin import Begun, Starter
from comfypipe.execution.context import Execution, KeyedLocks, at_once, now_ms
from comfypipe.execution.details import RunDetails, read_jobs, steps_so_far
from comfypipe.execution.events import Listener, ignore
from comfypipe.execution.offered import Offered
from comfypipe.execution.outputs import export_run
from comfypipe.execution.provenance import provenance_of
from comfypipe.execution.quick import Quick
from comfypipe.execution.records import Run, time_of
from comfypipe.execution.run import run as run_plan
from comfypipe.execution.run import run_of
from comfypipe.execution.together import as_they_end
from comfypipe.execution.urls import UrlFiles
from comfypipe.plan.build import Planner
from comfypipe.plan.library import Library, load_library
from comfypipe.plan.steps import Plan
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.ledger import Ledger
from comfypipe.store.records import RunRecord

BACKEND_VARIABLE = "COMFYPIPE_BACKEND"
"""Environment variable that names the backend, where no argument does."""

_INTERRUPTED = "interrupted"
"""Status of a run that its ledger takes for running, though its process is gone."""


class Project:
    """
    A project's workflows and pipelines, and what was run of them.

    Close it when done (``async with`` does): connections to backends and the ledger stay open until then.

    Args:
        layout: Where it lies, and its settings.
        opener: What opens backends; another than the default brings backends of one's own.
        patience: How long to wait for what.
        allow_origins: From where files may be fetched though it is on this machine or in its network, such as
            ``http://127.0.0.1:8000``; besides what the settings allow.
    """

    def __init__(
        self,
        layout: ProjectLayout,
        *,
        opener: OpenBackend = open_backend,
        patience: Patience | None = None,
        allow_origins: Iterable[str] = (),
    ) -> None:
        self.layout = layout
        self.backends = BackendPool(layout, opener)
        self._patience = patience or Patience()
        self._same = KeyedLocks()
        self._urls = UrlFiles(layout, allow_origins)
        self._offered = Offered()
        self._quick = Quick()

    @classmethod
    def find(cls, start: Path | None = None) -> Self:
        """
        Return the project that *start* (the working directory) lies in.

        Raises:
            ProjectNotFound: There is none there or above.
        """
        return cls(ProjectLayout.find(start))

    @classmethod
    def load(cls, path: Path) -> Self:
        """
        Return the project whose root, or ``pyproject.toml``, is *path*.

        Raises:
            ProjectNotFound: It is no project's root.
        """
        root = (path.parent if path.is_file() else path).absolute()
        layout = ProjectLayout.find(root)
        if layout.root != root:
            raise ProjectNotFound(f"{root} is not the root of a project", hint=f"the project's root is {layout.root}")
        return cls(layout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of backends, ledger and locks; runs on an in-process backend end."""
        await self.backends.close()
        await self._urls.close()
        if "_starter" in self.__dict__:  # made on first use, as is the ledger
            self._starter.close()
        if "ledger" in self.__dict__:
            await self.ledger.close()
            del self.ledger

    @cached_property
    def library(self) -> Library:
        """What there is to run; read once."""
        return load_library(self.layout)

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.library, self.layout)

    @cached_property
    def ledger(self) -> Ledger:
        """The record of all runs."""
        return Ledger(self.layout.ledger)

    @cached_property
    def _starter(self) -> Starter:
        return Starter(self.layout.state / "locks", self._same)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The store of files."""
        return ArtifactStore(self.layout.artifacts)

    @property
    def owner_id(self) -> str:
        """The name under which what this process works on is its own, until the project is closed."""
        return self._starter.owner_id

    # Running

    async def run(
        self,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        preset: str | None = None,
        backend: str | None = None,
        cache: bool = True,
        out: Path | str | None = None,
        listener: Listener = ignore,
        concurrency: int | None = None,
        check: bool = True,
    ) -> Run:
        """
        Run a workflow or pipeline and return how it ended.

        Jobs that were done before, here or in an earlier run, are taken from the store. When an earlier run of the
        same request was broken off, this one goes on where that one was, with the same seeds.

        Args:
            inputs: By name; the rest comes from *preset* and defaults.
            backend: URL or name; else ``COMFYPIPE_BACKEND``, what a step names, the project's settings.
            cache: Take stored results; without it everything runs anew.
            out: Copy the outputs here, under readable names.
            listener: Is told of progress.
            concurrency: How many jobs may be submitted at once; as many as keep the backend busy if None.
            check: Raise when the run fails. Without it, the run that is returned says so.

        Raises:
            UsageError: There is no workflow or pipeline of this name.
            ManifestError: An input is missing or does not fit.
            PromptInvalid: A backend would refuse a prompt.
            RunError: It failed.
            BackendError: It could not be run.
            StoreError: Its record or its files could not be kept.
        """
        execution = self.execution(backend=backend, cache=cache, listener=listener, concurrency=concurrency)
        run = await self._run(execution, name, inputs or {}, preset)
        if run.failure is not None and check:
            raise run.failure
        return await self.export(run, out) if out is not None and run.failure is None else run

    def run_many(
        self,
        name: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        preset: str | None = None,
        backend: str | None = None,
        cache: bool = True,
        out: Path | str | None = None,
        listener: Listener = ignore,
        concurrency: int | None = None,
    ) -> AsyncGenerator[Run, None]:
        """
        Run a workflow or pipeline once for each row of inputs, and yield the runs as they end.

        A row that fails does not stop the others: its run says so. One whose inputs do not fit was never begun, and
        its run has an empty id. Rows are taken as they are needed, so that there may be any number of them. Closing
        the generator cancels the runs that go on: use ``contextlib.aclosing`` where a loop over it may be left early.

        Args:
            out: Copy the outputs of each run into a folder here that bears its id.
            concurrency: How many jobs may be submitted at once; as many as keep the backend busy if None. As many
                rows more are made ready meanwhile, or have run and are collected.
        """
        execution = self.execution(backend=backend, cache=cache, listener=listener, concurrency=concurrency)
        wanted = concurrency or at_once(self.backends.get(execution.backend))
        return as_they_end((self._row(execution, name, row, preset, out) for row in rows), 2 * wanted)

    def execution(
        self,
        *,
        backend: str | None = None,
        cache: bool = True,
        listener: Listener = ignore,
        concurrency: int | None = None,
    ) -> Execution:
        """Return what the stages (`submit`, `wait`, `collect`, …) work with; arguments as those of `run`."""
        asked = backend or os.environ.get(BACKEND_VARIABLE)
        chosen = asked or self.layout.settings.backend
        return Execution(
            layout=self.layout,
            ledger=self.ledger,
            artifacts=self.artifacts,
            backends=self.backends,
            backend=chosen,
            override=bool(asked),
            cache=cache,
            listener=listener,
            patience=self._patience,
            slots=asyncio.Semaphore(concurrency or at_once(self.backends.get(chosen))),
            same=self._same,
            urls=self._urls,
        )

    async def plan(
        self,
        execution: Execution,
        name: str,
        inputs: Mapping[str, Any],
        *,
        preset: str | None = None,
        draw_seed: Callable[[], int] | None = None,
    ) -> Plan:
        """Return what would run, every step rendered and checked against what the backend offers."""
        object_info = await self.object_info(execution, name)
        options: dict[str, Any] = {"preset": preset}
        if draw_seed is not None:
            options["draw_seed"] = draw_seed
        make = partial(self._planner.plan, name, inputs, **options)
        try:
            spec = self.library.manifest(name).spec
            return await self._quick.make(name, spec, partial(make, object_info=object_info))
        except (PromptInvalid, PlanError):
            news = await self._offered.news(execution, object_info)  # a model may have been installed meanwhile
            if news is None:
                raise
            return await asyncio.to_thread(make, object_info=news)

    async def object_info(self, execution: Execution, name: str) -> ObjectInfo | None:
        """Return what the backend of a workflow or pipeline offers; None where its steps go to several."""
        steps = getattr(self.library.manifest(name).spec, "steps", ())
        if not execution.override and any(step.backend for step in steps):
            return None
        return await self._offered.get(execution)

    async def export(self, run: Run, out: Path | str) -> Run:
        """Copy the outputs of a run into a folder, under readable names, and return it with their new paths."""
        made_by = await provenance_of(self.ledger, run)
        return await asyncio.to_thread(export_run, run, Path(out), made_by)

    # Looking back

    async def runs(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        batch_id: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> tuple[Run, ...]:
        """Return the newest runs, newest first; *before* an id gives the next page."""
        wanted = "running" if status == _INTERRUPTED else status
        found = await self.ledger.runs(name=name, status=wanted, batch_id=batch_id, limit=limit, before=before)
        runs = (self._shown(run_of(record, self.artifacts), record) for record in found)
        return tuple(run for run in runs if status is None or run.status == status)

    async def details(self, reference: str) -> RunDetails:
        """
        Return everything that is known of the run whose id begins with *reference*; ``latest`` is the newest.

        Raises:
            UsageError: None, or several, fit.
        """
        record = await self.ledger.run(reference)
        jobs = await read_jobs(self.ledger, record.id)
        steps = None if record.steps else steps_so_far([each.job for each in jobs])
        return RunDetails(self._shown(run_of(record, self.artifacts, steps=steps), record), jobs)

    def _shown(self, run: Run, record: RunRecord) -> Run:
        abandoned = record.status == "running" and not self._starter.is_worked_on(record)
        return replace(run, status=_INTERRUPTED) if abandoned else run

    # The stages of a run, one by one

    async def begin(
        self,
        execution: Execution,
        name: str,
        inputs: Mapping[str, Any],
        *,
        preset: str | None = None,
        draw_seed: Callable[[], int] | None = None,
    ) -> Begun:
        """
        Begin a run, or go on with one of the same request that was broken off; `proceed` is what runs it.

        Until then, or until the project is closed, it counts as being worked on.
        """
        plan = await self.plan(execution, name, inputs, preset=preset, draw_seed=draw_seed)
        return await self._starter.begin(execution, plan, partial(self._plan_again, execution, name, inputs, preset))

    async def take_up(
        self, execution: Execution, run_id: str, inputs: Mapping[str, Any], *, preset: str | None = None
    ) -> Begun:
        """
        Return a run that was begun before, by this process or another one, with the inputs that it was begun with.

        Raises:
            UsageError: There is no such run, it has ended, or another process takes it up at the same time.
        """
        record = await self.ledger.run(run_id)
        if record.status != "running":
            raise UsageError(f"run {record.id} has {record.status}", hint="only a run that goes on can be taken up")
        plan = await self._plan_again(execution, record.name, inputs, preset, record.seeds)
        begun = await self._starter.adopt(execution, record, plan)
        if begun is None:
            raise UsageError(f"run {record.id} was taken up by another process")
        return begun

    async def proceed(self, execution: Execution, begun: Begun) -> Run:
        """Run what was begun to its end; a failed run is a result, not an exception."""
        try:
            return await run_plan(execution, begun.plan, begun.record, resumed=begun.resumed)
        finally:
            self._starter.let_go(begun.record.id)

    async def _run(self, execution: Execution, name: str, inputs: Mapping[str, Any], preset: str | None) -> Run:
        return await self.proceed(execution, await self.begin(execution, name, inputs, preset=preset))

    async def _plan_again(
        self, execution: Execution, name: str, inputs: Mapping[str, Any], preset: str | None, seeds: JSONObject
    ) -> Plan:
        """Return the plan with seeds that were drawn before."""
        steps = seeds.get("steps")
        draw_seed = None if steps is None else lambda: int(steps)
        given = {**inputs, **seeds.get("inputs", {})}
        return await self.plan(execution, name, given, preset=preset, draw_seed=draw_seed)

    async def _row(
        self, execution: Execution, name: str, row: Mapping[str, Any], preset: str | None, out: Path | str | None
    ) -> Run:
        try:
            run = await self._run(execution, name, row, preset)
            return await self.export(run, Path(out) / run.id) if out is not None and run.failure is None else run
        except ComfypipeError as error:
            return self._never_begun(name, row, error)

    def _never_begun(self, name: str, row: Mapping[str, Any], error: ComfypipeError) -> Run:
        return Run(
            id="",
            name=name,
            kind=getattr(self.library.manifest(name).spec, "kind", ""),
            status="failed",
            backend="",
            plan_digest="",
            inputs=dict(row),
            outputs={},
            steps=(),
            started_at=time_of(now_ms()),
            ended_at=time_of(now_ms()),
            error=error.to_json(),
            failure=error,
        )
