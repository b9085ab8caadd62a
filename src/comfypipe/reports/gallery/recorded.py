"""What the ledger says of a run, as the gallery shows it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from comfypipe._types import JSON
from comfypipe.execution.records import Run, files_in, output_to_json
from comfypipe.reports.gallery.entry import Entry, EntryFile

if TYPE_CHECKING:  # a report of a folder needs no ledger
    from comfypipe.execution.details import JobDetails, RunDetails


def entry_of_run(details: "RunDetails") -> Entry:
    """Return the entry of a run; each of its files knows the prompt of the job that gave it."""
    run, jobs = details.run, details.jobs
    return Entry(
        id=run.id,
        name=run.name,
        status=run.status,
        params=run.inputs,
        files=tuple(_files(run, jobs)),
        values={name: output_to_json(value) for name, value in run.outputs.items() if not files_in(value)},
        error=run.error,
        seconds=run.duration_s,
        simulated=run.simulated,
        cached=run.cached,
        facts=_facts(run, jobs),
    )


def _files(run: Run, jobs: "tuple[JobDetails, ...]") -> Iterator[EntryFile]:
    prompts = {output.sha256: job.job.prompt for job in jobs for output in job.outputs}
    for name, value in run.outputs.items():
        for file in files_in(value):
            yield EntryFile(
                name, file.path, file.filename, file.media_type, file.size_bytes, file.sha256, prompts.get(file.sha256)
            )


def _facts(run: Run, jobs: "tuple[JobDetails, ...]") -> dict[str, JSON]:
    attempts = [attempt for job in jobs for attempt in job.attempts]
    servers = sorted({attempt.server for attempt in attempts if attempt.server})
    return {
        "backend": run.backend,
        "plan digest": run.plan_digest,
        "started": run.started_at.isoformat(),
        **({"ended": run.ended_at.isoformat()} if run.ended_at else {}),
        **({"server": ", ".join(servers)} if servers else {}),
        "attempts": len(attempts),
    }
