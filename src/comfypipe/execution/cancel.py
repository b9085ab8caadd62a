"""Cancelling a run from outside the process that runs it: what can still be done when that process is gone."""

from dataclasses import replace

from comfypipe.errors import RunCancelled
from comfypipe.execution.context import now_ms
from comfypipe.execution.project import Project
from comfypipe.execution.submit import withdraw
from comfypipe.store.records import OPEN


async def cancel_run(project: Project, run_id: str, reason: str) -> bool:
    """
    Cancel a run that has not ended, on its backends and in the ledger; False when there was nothing to cancel.

    Raises:
        UsageError: There is no run with this id.
    """
    record = await project.ledger.run(run_id)
    if record.status != "running":
        return False
    execution = project.execution(backend=record.backend)
    for attempt in await project.ledger.attempts(record.id):
        if attempt.status in OPEN:
            await withdraw(execution, attempt)
    error = RunCancelled(reason).to_json()
    await project.ledger.end_run(replace(record, status="cancelled", ended_ms=now_ms(), error=error))
    return True
