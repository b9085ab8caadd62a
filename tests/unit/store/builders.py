"""Records to test the ledger with."""

from comfypipe.store.ids import job_id, prompt_id
from comfypipe.store.records import AttemptRecord, JobRecord, OutputRecord, RunRecord


def a_run(run_id: str = "0q3k7f2a0001", *, name: str = "portrait", request: str = "r" * 64) -> RunRecord:
    """Return a run that has just begun."""
    return RunRecord(
        id=run_id,
        name=name,
        kind="Workflow",
        plan_digest="p" * 64,
        request_digest=request,
        origin=run_id,
        owner="owner-1",
        backend="embedded:",
        created_ms=1_800_000_000_000,
        version="0.1.0",
        inputs={"subject": "a lighthouse"},
        seeds={"inputs": {"seed": 2**64 - 1}, "steps": None},
    )


def a_job(run: RunRecord, step: str = "portrait", *, item: int | None = None, digest: str = "d" * 64) -> JobRecord:
    """Return a job of *run* that has just begun."""
    return JobRecord(
        id=job_id(run.id, step, item, digest),
        run_id=run.id,
        step=step,
        item=item,
        workflow="portrait",
        digest=digest,
        created_ms=1_800_000_000_001,
        prompt={"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "portrait"}}},
    )


def an_attempt(job: JobRecord, number: int = 1) -> AttemptRecord:
    """Return an attempt that was not submitted yet."""
    return AttemptRecord(
        prompt_id=prompt_id(job.id, number),
        job_id=job.id,
        number=number,
        backend="embedded:",
        created_ms=1_800_000_000_002,
        accelerator=["L4"],
    )


def an_output(job: JobRecord, name: str = "image", *, position: int = 0, sha256: str = "a" * 64) -> OutputRecord:
    """Return a file that *job* gave."""
    return OutputRecord(job.id, name, "9", position, sha256, f"{name}.png", 1234, "image/png")
