"""What the ledger says of a run, as the gallery shows it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from comfypipe._types import JSON, JSONObject
from comfypipe.execution.records import Run, files_in, output_to_json
from comfypipe.reports.gallery.entry import Entry, EntryFile

if TYPE_CHECKING:  # a report of a folder needs no ledger
    from comfypipe.execution.details import JobDetails, RunDetails

Prompts: TypeAlias = Mapping[str, Mapping[str | None, JSONObject]]
"""By run, and by the digest of each file that it gave, what made it."""

_TOGETHER = 500
"""Runs whose prompts are asked for at once."""


def with_prompts(entries: Iterable[Entry], ask: Callable[[Sequence[str]], Prompts]) -> Iterator[Entry]:
    """Yield the entries with the prompts that *ask* knows by run, where they do not have theirs yet."""
    waiting = iter(entries)
    while some := list(islice(waiting, _TOGETHER)):
        known = ask([entry.id for entry in some if entry.id])
        yield from (_with_prompt(entry, known.get(entry.id, {})) for entry in some)


def _with_prompt(entry: Entry, prompts: Mapping[str | None, JSONObject]) -> Entry:
    if not entry.files:
        return replace(entry, prompt=next(iter(prompts.values()), None))
    files = tuple(replace(file, prompt=file.prompt or prompts.get(file.sha256)) for file in entry.files)
    return replace(entry, files=files)


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
        prompt=jobs[0].job.prompt if jobs and not run.outputs else None,
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
