"""
One prompt in four stages, each of which may be a task of its own: render, submit, wait, collect.

What passes between them is a reference; what it refers to is in the ledger. So each stage can be done again, by the
same process or another one, and goes on where the run is.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import anyio

from comfypipe.errors import ComfypipeError, PlanError, RunCancelled, UsageError
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.job import Tries, stored_result
from comfypipe.execution.project import Project
from comfypipe.execution.records import Run
from comfypipe.execution.run import run_of
from comfypipe.execution.submit import Attempt
from comfypipe.execution.urls import files_here
from comfypipe.execution.wait import wait as wait_for
from comfypipe.manifest.inputs import draw_seed
from comfypipe.manifest.schema import WorkflowSpec
from comfypipe.plan.build import jobs
from comfypipe.plan.steps import Job, Plan

IN_PROCESS = ("embedded:", "simulate:")
"""What URLs of backends begin with that end when the project is closed."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """
    A prompt that can be submitted: by what makes it.

    Attributes:
        inputs: As given.
        seeds: What was drawn for those that nobody gave, in the order in which they were asked for.
        digest: Of the plan, by which it is recognised.
    """

    name: str
    inputs: Mapping[str, Any]
    preset: str | None
    backend: str | None
    seeds: tuple[int, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """
    A prompt that a backend has.

    Attributes:
        run_id: What the ledger calls the run.
        attempt: What the backend took; None when the outputs were there before.
    """

    rendered: Rendered
    run_id: str
    timeout_s: float
    attempt: Attempt | None


async def render(
    project: Project, name: str, inputs: Mapping[str, Any], *, preset: str | None = None, backend: str | None = None
) -> Rendered:
    """
    Resolve the inputs of a workflow, draw its seeds, render its prompt and check it against what the backend offers.

    Raises:
        UsageError: There is no such workflow, or it is a pipeline: that is more than one prompt.
        ComfypipeError: As `Project.plan`.
    """
    if not isinstance(project.library.manifest(name).spec, WorkflowSpec):
        raise UsageError(f"{name} is a pipeline, not one prompt", hint="run_workflow runs pipelines as well")
    seeds: list[int] = []

    def draw() -> int:
        seeds.append(draw_seed())
        return seeds[-1]

    plan = await project.plan(project.execution(backend=backend), name, inputs, preset=preset, draw_seed=draw)
    return Rendered(name, dict(inputs), preset, backend, tuple(seeds), plan.digest)


async def submit(project: Project, rendered: Rendered, *, lasting: bool = True) -> Submitted:
    """
    Begin a run, and submit its prompt once; a run of the same request that was broken off is taken up instead.

    Args:
        lasting: The project stays open until the run is collected.

    Raises:
        UsageError: The backend is in this process, and would end with the project, and the prompt with it.
        PlanError: The project has changed since the prompt was rendered.
        ComfypipeError: As `comfypipe.execution.submit.submit`.
    """
    execution = project.execution(backend=rendered.backend)
    if not lasting and project.backends.get(execution.backend).url.startswith(IN_PROCESS):
        hint = "put `async with open_project():` around the tasks of the flow"
        raise UsageError(f"{execution.backend} would end with the task that submits", hint=hint)
    seeds = iter(rendered.seeds)
    begun = await project.begin(
        execution, rendered.name, rendered.inputs, preset=rendered.preset, draw_seed=lambda: next(seeds)
    )
    if not begun.resumed and begun.record.continues is None and begun.plan.digest != rendered.digest:
        raise PlanError(f"{rendered.name} has changed since it was rendered", hint="render it again")
    job = await _job(project, begun.plan)
    async with files_here(execution, begun.plan.steps[0], job, begun.record) as complete:
        stored = await stored_result(execution, complete, begun.record)
        attempt = None if stored else await Tries(execution, complete, begun.record).begin()
    return Submitted(rendered, begun.record.id, job.timeout_s, attempt)


async def wait(project: Project, submitted: Submitted) -> Submitted:
    """
    Return when the run has ended well. When this is cancelled, so is the run on its backend.

    Raises:
        ComfypipeError: As `comfypipe.execution.wait.wait`; the ledger then says how the run ended, unless it is worth
            another try.
    """
    if submitted.attempt is not None:
        execution = project.execution(backend=submitted.rendered.backend)
        try:
            await wait_for(execution, submitted.attempt, timeout_s=submitted.timeout_s)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await _end(execution, submitted.run_id, RunCancelled("cancelled before it had ended"))
            raise
        except ComfypipeError as error:
            if not error.retryable:
                await _end(execution, submitted.run_id, error)
            raise
    return submitted


async def collect(project: Project, submitted: Submitted) -> Run:
    """
    Store what a prompt made, and return its run. One that was collected before is returned as it is.

    Raises:
        ComfypipeError: As `Project.run`.
    """
    record = await project.ledger.run(submitted.run_id)
    if record.status == "completed":
        return run_of(record, project.artifacts)
    # Going on with the run finds its prompt done, and collects it; one that the backend has lost since is run again.
    rendered = submitted.rendered
    execution = project.execution(backend=rendered.backend)
    begun = await project.take_up(execution, record.id, rendered.inputs, preset=rendered.preset)
    run = await project.proceed(execution, begun)
    if run.failure is not None:
        raise run.failure
    return run


async def _job(project: Project, plan: Plan) -> Job:
    (job,) = await asyncio.to_thread(jobs, plan, plan.steps[0], {}, project.layout)
    return job


async def _end(execution: Execution, run_id: str, error: ComfypipeError) -> None:
    record = await execution.ledger.run(run_id)
    status = "cancelled" if isinstance(error, RunCancelled) else "failed"
    await execution.ledger.end_run(replace(record, status=status, ended_ms=now_ms(), error=error.to_json()))
