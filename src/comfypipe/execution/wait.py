"""Waiting for an attempt to end: at most so long, and never leaving it running unwatched."""

import asyncio

from comfypipe.backends.base import OnProgress, RunResult, RunStatus
from comfypipe.errors import RunCancelled, RunError, RunFailed, RunTimedOut, ServerStateLost
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.submit import Attempt, withdraw


async def wait(
    execution: Execution, attempt: Attempt, *, timeout_s: float | None = None, on_progress: OnProgress | None = None
) -> RunResult:
    """
    Return how an attempt ended, when it has completed.

    When this is cancelled, or it takes longer than *timeout_s*, the remote run is cancelled too.

    Raises:
        RunFailed: A node failed.
        RunCancelled: It was cancelled on the server.
        RunTimedOut: It took too long.
        ServerStateLost: The backend does not know it any more.
        BackendUnavailable: It could not be asked; the attempt may still run, and can be joined again.
    """
    backend = execution.backends.get(attempt.backend)
    try:
        async with asyncio.timeout(timeout_s) as limit:
            result = await backend.wait(attempt.handle, on_progress)
    except asyncio.CancelledError:
        await withdraw(execution, attempt)
        raise
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise await _timed_out(execution, attempt, timeout_s) from error
    except ServerStateLost as error:
        await _close(execution, attempt, "lost", error)
        raise
    if result.status is not RunStatus.COMPLETED:
        failure = _error_of(result, attempt)
        await _close(execution, attempt, result.status.value, failure)
        raise failure
    return result


async def _timed_out(execution: Execution, attempt: Attempt, timeout_s: float | None) -> RunTimedOut:
    late = f"did not end within {timeout_s:g} s on {attempt.backend}"
    hint = "raise timeout_s in the manifest, or in the pipeline's step"
    error = RunTimedOut(f"{late}, and was cancelled", hint=hint)
    unreached = await withdraw(execution, attempt, error)
    if unreached is None:
        return error
    return RunTimedOut(
        f"{late}, and may go on there: {unreached.message}", hint="the next run of the same request takes it up"
    )


async def _close(execution: Execution, attempt: Attempt, status: str, error: ServerStateLost | RunError) -> None:
    await execution.ledger.update_attempt(attempt.prompt_id, status=status, ended_ms=now_ms(), error=error.to_json())


def _error_of(result: RunResult, attempt: Attempt) -> RunError:
    if result.error is not None:
        return result.error
    if result.status is RunStatus.CANCELLED:
        return RunCancelled(f"was cancelled on {attempt.backend}")
    return RunFailed(f"failed on {attempt.backend}, which does not say why")
