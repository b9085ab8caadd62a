"""A run of the service as execution knows it: its record in the ledger, and the job that a prompt is."""

from importlib.metadata import version

from comfypipe.errors import UsageError
from comfypipe.plan.digests import digest_of
from comfypipe.plan.steps import Job, Plan
from comfypipe.service.placing import Placed
from comfypipe.service.rows import RunRow
from comfypipe.service.times import now_ms
from comfypipe.store.ledger import Ledger
from comfypipe.store.records import RunRecord

STEP = "run"
"""What the only step of a prompt's run is called."""


def job_of(run: RunRow, placed: Placed, *, timeout_s: float) -> Job:
    """
    Return the job that a run's prompt is.

    Its digest names the run and not its content: what was submitted for a run is found again whatever became of the
    files that it names, and no tenant is given what another one made.
    """
    return Job(
        step_id=STEP,
        item=None,
        workflow=run.workflow_id,
        values={},
        prompt=placed.prompt,
        files=placed.files,
        outputs={},
        digest=digest_of({"run": run.id}),
        accelerator=(run.accelerator,) if run.accelerator else (),
        timeout_s=timeout_s,
        undeclared=True,
    )


async def ledger_record(ledger: Ledger, run: RunRow, backend: str, plan: Plan | None, *, known: bool) -> RunRecord:
    """
    Return the ledger's record of a run, made where there is none.

    Args:
        known: An earlier process may have made it.
    """
    if known:
        try:
            return await ledger.run(run.ledger_id)
        except UsageError:  # it came no further than the service's own database
            pass
    record = RunRecord(
        id=run.ledger_id,
        name=run.workflow_id,
        kind=plan.kind if plan else "Workflow",
        plan_digest=plan.digest if plan else "",
        request_digest="",
        origin=run.ledger_id,
        owner=run.tenant[:36],
        backend=backend,
        created_ms=now_ms(),
        version=version("comfypipe"),
    )
    await ledger.add_run(record)
    return record
