"""Where a file came from: what stands in the NAME.json beside it."""

from collections.abc import Mapping

from comfypipe._types import JSONObject
from comfypipe.execution.details import JobDetails, read_jobs
from comfypipe.execution.records import Output, Run, time_of
from comfypipe.store.ledger import Ledger
from comfypipe.store.records import JobRecord

SCHEMA_VERSION = 1
"""Of the provenance files; raised when a key changes its meaning or goes."""


async def provenance_of(ledger: Ledger, run: Run) -> Mapping[str, JSONObject]:
    """Return by SHA-256 of each file that the jobs of *run* gave what is known of the job that made it."""
    made: dict[str, JSONObject] = {}
    for details in await read_jobs(ledger, run.id):
        description = await _describe(ledger, details)
        for output in details.outputs:
            if output.sha256 is not None:
                made.setdefault(output.sha256, description)
    return made


def document(run: Run, output_name: str, file: Output, made_by: JSONObject | None) -> JSONObject:
    """
    Return the provenance of one file.

    Args:
        made_by: What `provenance_of` says of it; None for a file that the run was given and passed on.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "output": output_name,
        "file": {
            "filename": file.filename,
            "sha256": file.sha256,
            "size_bytes": file.size_bytes,
            "media_type": file.media_type,
        },
        "run": {
            "id": run.id,
            "name": run.name,
            "kind": run.kind,
            "plan_digest": run.plan_digest,
            "backend": run.backend,
            "inputs": run.inputs,
            "simulated": run.simulated,
            "continues": run.continues,
            "started_at": run.started_at.isoformat(),
            "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        },
        "job": made_by,
    }


async def _describe(ledger: Ledger, details: JobDetails) -> JSONObject:
    job, attempts = details.job, details.attempts
    if job.cached_from is not None:
        attempts = await ledger.attempts_at(job.cached_from)
        job = await ledger.job(job.cached_from) or job
    last = attempts[-1] if attempts else None
    return {
        "run": job.run_id,
        "step": job.step,
        "item": job.item,
        "workflow": job.workflow,
        "digest": job.digest,
        "inputs": job.inputs,
        "models": job.models,
        "prompt": job.prompt,
        "simulated": job.simulated,
        "prompt_id": last.prompt_id if last else None,
        "attempt": last.number if last else None,
        "backend": last.backend if last else None,
        "server": last.server if last else None,
        "accelerator": last.accelerator if last else [],
        "execution_s": last.execution_s if last else None,
        **_times(job),
    }


def _times(job: JobRecord) -> JSONObject:
    return {
        "started_at": time_of(job.created_ms).isoformat(),
        "ended_at": time_of(job.ended_ms).isoformat() if job.ended_ms is not None else None,
    }
