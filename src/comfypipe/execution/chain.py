"""The steps of a plan: each starts as soon as what it reads is there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from comfypipe.errors import ComfypipeError
from comfypipe.execution.context import Execution
from comfypipe.execution.events import StepFinished, StepSkipped, StepStarted
from comfypipe.execution.job import JobResult, run_job
from comfypipe.execution.records import StepRecord
from comfypipe.execution.together import settle
from comfypipe.execution.urls import files_here
from comfypipe.plan.jobs import is_wanted, jobs, scope_of
from comfypipe.plan.steps import Job, Plan, Step, StepOutputs
from comfypipe.store.records import RunRecord


@dataclass(frozen=True, slots=True)
class StepResult:
    """
    How a step ended.

    Attributes:
        outputs: What later steps read; None when it failed or was cancelled, empty when it was skipped.
        error: Why it failed.
    """

    record: StepRecord
    outputs: StepOutputs | None = None
    error: ComfypipeError | None = None
    simulated: bool = False

    @property
    def ended_well(self) -> bool:
        """Whether steps that read it can run."""
        return self.record.status in ("completed", "skipped")


@dataclass(frozen=True, slots=True)
class ChainResult:
    """How all steps of a plan ended, in the order of the plan."""

    steps: Mapping[str, StepResult] = field(default_factory=dict)

    @property
    def outputs(self) -> Mapping[str, StepOutputs]:
        """What the steps gave that ended well."""
        return {name: step.outputs for name, step in self.steps.items() if step.outputs is not None}

    @property
    def error(self) -> ComfypipeError | None:
        """The first error, in the order of the plan."""
        return next((step.error for step in self.steps.values() if step.error is not None), None)


async def chain(execution: Execution, plan: Plan, run: RunRecord, *, new: bool = False) -> ChainResult:
    """
    Run all steps of *plan* and return how each ended; errors of steps are results, not exceptions.

    A step that fails cancels those that read it, directly or not; others go on. A step whose ``when`` is false is
    skipped, and so is what reads it.

    Args:
        new: The run was begun here, and continues none.
    """
    runner = _Chain(execution, plan, run, new=new)
    await settle([runner.run_step(step) for step in plan.steps])
    return ChainResult({step.id: runner.ended[step.id] for step in plan.steps})


class _Chain:
    def __init__(self, execution: Execution, plan: Plan, run: RunRecord, *, new: bool) -> None:
        self._execution = execution
        self._plan = plan
        self._run = run
        self._options = {"new": new, "alone": len(plan.steps) == 1 and plan.steps[0].for_each is None}
        self._done = {step.id: asyncio.Event() for step in plan.steps}
        self.ended: dict[str, StepResult] = {}

    async def run_step(self, step: Step) -> None:
        for name in step.reads:
            await self._done[name].wait()
        try:
            result = await self._result(step, {name: self.ended[name] for name in sorted(step.reads)})
        except ComfypipeError as error:  # its jobs could not be made
            result = StepResult(StepRecord(step.id, "failed", error=error.to_json()), error=error)
        self._tell(step, result)
        self.ended[step.id] = result
        self._done[step.id].set()

    async def _result(self, step: Step, read: Mapping[str, StepResult]) -> StepResult:
        if not all(each.ended_well for each in read.values()):
            return StepResult(StepRecord(step.id, "cancelled"))
        if any(each.record.status == "skipped" for each in read.values()):
            return _skipped(step)
        results = {name: each.outputs for name, each in read.items() if each.outputs is not None}
        if not is_wanted(step, scope_of(self._plan.inputs, self._plan.steps, results)):
            return _skipped(step)
        found = await self._jobs(step, results)
        self._execution.listener(StepStarted(self._run.id, step.id, len(found)))
        return _gathered(step, await settle([self._run_job(step, job) for job in found]))

    async def _jobs(self, step: Step, results: Mapping[str, StepOutputs]) -> tuple[Job, ...]:
        if step.id in self._plan.ready:
            return jobs(self._plan, step, results, self._execution.layout)
        # In a thread: rendering and hashing must not hold up the steps that wait for their backends.
        return await asyncio.to_thread(jobs, self._plan, step, results, self._execution.layout)

    async def _run_job(self, step: Step, job: Job) -> JobResult:
        async with files_here(self._execution, step, job, self._run) as complete:
            return await run_job(self._execution, complete, self._run, **self._options)

    def _tell(self, step: Step, result: StepResult) -> None:
        if result.record.status == "skipped":
            self._execution.listener(StepSkipped(self._run.id, step.id))
        else:
            self._execution.listener(StepFinished(self._run.id, step.id, result.record.status))


def _gathered(step: Step, ended: "list[JobResult | ComfypipeError]") -> StepResult:
    done = [each for each in ended if isinstance(each, JobResult)]
    error = next((each for each in ended if isinstance(each, ComfypipeError)), None)
    cached = sum(each.cached for each in done)
    if error is not None:
        return StepResult(StepRecord(step.id, "failed", len(ended), cached, error.to_json()), error=error)
    outputs = tuple(each.values for each in done) if step.for_each is not None else done[0].values
    record = StepRecord(step.id, "completed", len(ended), cached)
    return StepResult(record, outputs, simulated=any(each.simulated for each in done))


def _skipped(step: Step) -> StepResult:
    return StepResult(StepRecord(step.id, "skipped"), outputs={})
