"""One run of a plan: begun or resumed, its steps chained, its end in the ledger."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from comfypipe.errors import ComfypipeError, RunCancelled
from comfypipe.execution.chain import ChainResult, chain
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.events import RunFinished, RunStarted
from comfypipe.execution.records import OutputValue, Run, StepRecord, time_of
from comfypipe.execution.remote import brought
from comfypipe.execution.submit import withdraw
from comfypipe.execution.together import shielded
from comfypipe.execution.values import is_stored, output_from_record, output_of, output_to_record
from comfypipe.manifest.values import Value
from comfypipe.plan.jobs import outputs
from comfypipe.plan.steps import Plan
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.records import OPEN, RunRecord


async def run(execution: Execution, plan: Plan, record: RunRecord, *, resumed: bool = False) -> Run:
    """
    Run *plan* to its end, and return how it ended; a failed run is a result, not an exception.

    When this is cancelled, so are the remote runs, and the ledger says so; what was finished stays, for the next run
    of the same request.

    Args:
        record: The run, as it stands in the ledger.
        resumed: An earlier process began it.
    """
    steps = tuple(step.id for step in plan.steps)
    execution.listener(RunStarted(record.id, record.name, steps, resumed, record.continues))
    try:
        ended = await chain(execution, plan, record, new=not resumed and record.continues is None)
        given, error = await _outputs(execution, plan, ended, record)
    except asyncio.CancelledError:
        await _end(execution, record, RunCancelled("cancelled before it had ended"))
        raise
    except Exception as mistake:
        await _end(execution, record, ComfypipeError(f"{type(mistake).__name__}: {mistake}"))
        raise
    if resumed:
        await _withdraw_leftovers(execution, record)
    jobs_ended = error is None and not resumed  # one that was resumed may have some that its plan has no more
    ended_record = await _end(execution, _with_results(record, ended, given), error, jobs_ended=jobs_ended)
    return run_of(ended_record, execution.artifacts, failure=error)


def run_of(
    record: RunRecord,
    artifacts: ArtifactStore,
    *,
    steps: tuple[StepRecord, ...] | None = None,
    failure: ComfypipeError | None = None,
) -> Run:
    """
    Return what the ledger has of a run as people are given it.

    Args:
        steps: How its steps stand, for a run whose record does not say so yet.
        failure: The error itself, for a run that has just failed.
    """
    return Run(
        id=record.id,
        name=record.name,
        kind=record.kind,
        status=record.status,
        backend=record.backend,
        plan_digest=record.plan_digest,
        inputs=record.inputs,
        outputs={name: output_from_record(value, artifacts) for name, value in record.outputs.items()},
        steps=tuple(StepRecord(**step) for step in record.steps) if steps is None else steps,
        started_at=time_of(record.created_ms),
        ended_at=time_of(record.ended_ms) if record.ended_ms is not None else None,
        error=record.error,
        simulated=record.simulated,
        cached=record.cached,
        continues=record.continues,
        failure=failure,
    )


async def _outputs(
    execution: Execution, plan: Plan, ended: ChainResult, record: RunRecord
) -> tuple[Mapping[str, OutputValue], ComfypipeError | None]:
    """Return the outputs of the run, or the error that keeps it from having them."""
    if ended.error is not None:
        return {}, ended.error
    try:
        values = await brought(execution, outputs(plan, ended.outputs), record)
        if all(is_stored(value, execution.artifacts) for value in values.values()):
            return _with_files(values, execution.artifacts), None
        return await asyncio.to_thread(_with_files, values, execution.artifacts), None
    except ComfypipeError as error:
        return {}, error


def _with_files(values: Mapping[str, Value], artifacts: ArtifactStore) -> Mapping[str, OutputValue]:
    return {name: output_of(value, artifacts) for name, value in values.items()}


def _with_results(record: RunRecord, ended: ChainResult, given: Mapping[str, OutputValue]) -> RunRecord:
    steps = [step.record for step in ended.steps.values()]
    jobs = sum(step.jobs for step in steps)
    return replace(
        record,
        outputs={name: output_to_record(value) for name, value in given.items()},
        steps=[step.to_json() for step in steps],
        simulated=any(step.simulated for step in ended.steps.values()),
        cached=jobs > 0 and jobs == sum(step.cached for step in steps),
    )


async def _end(
    execution: Execution, record: RunRecord, error: ComfypipeError | None, *, jobs_ended: bool = False
) -> RunRecord:
    status = "completed" if error is None else "cancelled" if isinstance(error, RunCancelled) else "failed"
    ended = replace(record, status=status, ended_ms=now_ms(), error=error.to_json() if error else None)
    await shielded(execution.ledger.end_run(ended, jobs_ended=jobs_ended))
    execution.listener(RunFinished(record.id, status, error))
    return ended


async def _withdraw_leftovers(execution: Execution, record: RunRecord) -> None:
    """Stop what an earlier process had submitted for jobs that the plan, changed since then, does not have any more."""
    for attempt in await execution.ledger.attempts(record.id):
        if attempt.status in OPEN:
            await withdraw(execution, attempt)
