"""Everything that the ledger has of one run, for who looks at it later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from comfypipe._types import JSONObject
from comfypipe.execution.records import Output, Run, StepRecord
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.ledger import Ledger
from comfypipe.store.records import AttemptRecord, JobRecord, OutputRecord


@dataclass(frozen=True, slots=True)
class JobDetails:
    """
    One prompt of a run.

    Attributes:
        outputs: What it gave, in stored order.
        attempts: Its submissions, first to last; none when its outputs were taken over.
    """

    job: JobRecord
    outputs: tuple[OutputRecord, ...]
    attempts: tuple[AttemptRecord, ...]

    def files(self, artifacts: ArtifactStore) -> tuple[Output, ...]:
        """Return the files that it gave, where they lie in the store."""
        return tuple(
            Output(
                artifacts.place(each.sha256), each.filename, each.sha256, each.size_bytes or 0, each.media_type or ""
            )
            for each in self.outputs
            if each.sha256 is not None and each.filename is not None
        )

    def to_json(self) -> JSONObject:
        """Return it as a JSON object, without the prompt."""
        job = self.job
        return {
            "step": job.step,
            "item": job.item,
            "workflow": job.workflow,
            "status": job.status,
            "digest": job.digest,
            "cached_from": job.cached_from,
            "simulated": job.simulated,
            "inputs": job.inputs,
            "error": job.error,
            "outputs": [_output(each) for each in self.outputs],
            "attempts": [_attempt(each) for each in self.attempts],
        }


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run with its jobs, in the order in which they began."""

    run: Run
    jobs: tuple[JobDetails, ...]

    def to_json(self) -> JSONObject:
        """Return it as a JSON object."""
        return self.run.to_json() | {"jobs": [each.to_json() for each in self.jobs]}


async def read_jobs(ledger: Ledger, run_id: str) -> tuple[JobDetails, ...]:
    """Return the jobs of a run with their outputs and attempts."""
    jobs = await ledger.jobs(run_id)
    outputs = await ledger.outputs([job.id for job in jobs])
    attempts = await ledger.attempts(run_id)
    return tuple(
        JobDetails(job, outputs[job.id], tuple(each for each in attempts if each.job_id == job.id)) for job in jobs
    )


def steps_so_far(jobs: Sequence[JobRecord]) -> tuple[StepRecord, ...]:
    """Return how the steps of a run stand that has not stored it: as its jobs say."""
    by_step: Mapping[str, list[JobRecord]] = {job.step: [] for job in jobs}
    for job in jobs:
        by_step[job.step].append(job)
    return tuple(_step(name, of_step) for name, of_step in by_step.items())


def _step(name: str, jobs: Sequence[JobRecord]) -> StepRecord:
    statuses = {job.status for job in jobs}
    status = next((each for each in ("running", "failed", "cancelled") if each in statuses), "completed")
    cached = sum(job.cached_from is not None for job in jobs)
    return StepRecord(name, status, len(jobs), cached, next((job.error for job in jobs if job.error), None))


def _output(record: OutputRecord) -> JSONObject:
    if record.sha256 is None and record.url is None:
        return {"name": record.name, "node_id": record.node_id, "value": record.value}
    return {
        "name": record.name,
        "node_id": record.node_id,
        "filename": record.filename,
        "sha256": record.sha256,
        "size_bytes": record.size_bytes,
        "media_type": record.media_type,
        "url": record.url,
    }


def _attempt(record: AttemptRecord) -> JSONObject:
    return {
        "prompt_id": record.prompt_id,
        "number": record.number,
        "status": record.status,
        "backend": record.backend,
        "server": record.server,
        "remote_id": record.remote_id,
        "accelerator": record.accelerator,
        "execution_s": record.execution_s,
        "error": record.error,
    }
