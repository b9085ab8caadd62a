"""What the ledger says of a run, as the gallery shows it."""

from collections.abc import Iterator

from comfypipe._types import JSON
from comfypipe.execution.details import JobDetails, RunDetails
from comfypipe.execution.records import Run, files_in, output_to_json
from comfypipe.reports.gallery.entry import Entry, EntryFile


def entry_of_run(details: RunDetails) -> Entry:
    """Return the entry of a run: of a pipeline the prompt is left out, as each of its files was made by another one."""
    run, jobs = details.run, details.jobs
    return Entry(
        id=run.id,
        name=run.name,
        status=run.status,
        params=run.inputs,
        files=tuple(_files(run)),
        values={name: output_to_json(value) for name, value in run.outputs.items() if not files_in(value)},
        error=run.error,
        seconds=run.duration_s,
        simulated=run.simulated,
        cached=run.cached,
        prompt=jobs[0].job.prompt if len(jobs) == 1 else None,
        facts=_facts(run, jobs),
    )


def _files(run: Run) -> Iterator[EntryFile]:
    for name, value in run.outputs.items():
        for file in files_in(value):
            yield EntryFile(name, file.path, file.filename, file.media_type, file.size_bytes, file.sha256)


def _facts(run: Run, jobs: tuple[JobDetails, ...]) -> dict[str, JSON]:
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
