"""Collecting what an attempt made: files into the store, texts and numbers as values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.base import OutputFile, RunResult
from comfypipe.errors import RunFailed
from comfypipe.execution.coerce import NotOfType, coerce, shown_values
from comfypipe.execution.context import Execution, now_ms
from comfypipe.execution.remote import brought, fetch_file, remote_record, stays_remote, storable
from comfypipe.execution.submission import node_names
from comfypipe.execution.submit import Attempt
from comfypipe.execution.values import values_of
from comfypipe.manifest.schema import MEDIA_TYPES
from comfypipe.manifest.values import Value
from comfypipe.plan.steps import Job
from comfypipe.store.records import OutputRecord, RunRecord

_SAVED = "output"
"""ComfyUI's folder type of saved files; previews are ``temp``."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a run made for one output: files, or a plain value."""

    name: str
    node_id: str
    files: tuple[OutputFile, ...] = ()
    value: JSON = None


async def collect(execution: Execution, job: Job, attempt: Attempt, result: RunResult) -> Mapping[str, Value]:
    """
    Fetch what an attempt made, store it, and return the outputs by name.

    Raises:
        RunFailed: A declared output was not made, or is of another type.
        BackendError: A file could not be fetched.
        StoreError: It could not be stored.
    """
    records = await collect_records(execution, job, attempt, result)
    return await brought(execution, values_of(records, execution.artifacts))


async def collect_records(
    execution: Execution, job: Job, attempt: Attempt, result: RunResult, *, alone: RunRecord | None = None
) -> tuple[OutputRecord, ...]:
    """
    Do what `collect` does, and return what the ledger keeps of it.

    Args:
        alone: The run that has no other job: it is stored with the end of it.
    """
    backend = execution.backends.get(attempt.backend)
    records: list[OutputRecord] = []
    for found in find_outputs(job, result):
        if not found.files:
            records.append(OutputRecord(attempt.job_id, found.name, found.node_id, value=found.value))
        for position, file in enumerate(found.files):
            if stays_remote(backend, file):
                records.append(remote_record(attempt, found.name, position, file))
                continue
            artifact, kind = await fetch_file(backend, file, execution.artifacts)
            stored = (artifact.sha256, storable(file.filename), artifact.size_bytes, kind)
            records.append(OutputRecord(attempt.job_id, found.name, found.node_id, position, *stored))
    await execution.ledger.complete_job(
        attempt.job_id,
        records,
        ended_ms=now_ms(),
        prompt_id=attempt.prompt_id,
        simulated=result.simulated,
        execution_s=result.execution_s,
        run_id=alone.id if alone else None,
    )
    return tuple(records)


def find_outputs(job: Job, result: RunResult) -> tuple[Found, ...]:
    """
    Return for each output of *job* what the run made: the declared ones, else everything that was saved.

    Raises:
        RunFailed: A declared output was not made, or is of another type; or nothing was saved at all.
    """
    saved: dict[str, list[OutputFile]] = {}
    for file in result.files:
        if file.kind == _SAVED:
            saved.setdefault(file.node_id, []).append(file)
    if job.outputs:
        return tuple(
            _declared(job, result, name, node_id, declared, saved.get(node_id, ()))
            for name, (node_id, declared) in job.outputs.items()
        )
    if not saved and not job.undeclared:
        raise RunFailed(
            "the run saved no file", hint="add a node that saves, such as SaveImage, or declare outputs in the manifest"
        )
    names = name_outputs(job.prompt, list(saved))
    return tuple(Found(names[node_id], node_id, tuple(files)) for node_id, files in saved.items())


def name_outputs(prompt: JSONObject, node_ids: Sequence[str]) -> dict[str, str]:
    """Return by node id the name of an output that no manifest names: from its title or class, each one once."""
    shown = node_names(prompt)
    names: dict[str, str] = {}
    for node_id in node_ids:
        base = _identifier(shown.get(node_id, "output"))
        taken = set(names.values())
        tries = (base if number == 1 else f"{base}_{number}" for number in range(1, len(taken) + 2))
        names[node_id] = next(each for each in tries if each not in taken)
    return names


def _identifier(title: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", title)
    return re.sub(r"[^A-Za-z0-9]+", "_", words).strip("_").lower()[:60] or "output"


def _declared(
    job: Job, result: RunResult, name: str, node_id: str, declared: str, saved: Sequence[OutputFile]
) -> Found:
    if declared in MEDIA_TYPES:
        if not saved:
            raise _missing(job, result, name, node_id)
        return Found(name, node_id, tuple(saved))
    shown = shown_values(result.values.get(node_id, {}))
    if not shown:
        raise _missing(job, result, name, node_id)
    try:
        values = [coerce(value, declared) for value in shown]
    except NotOfType as error:
        message = f'output "{name}" is declared as {declared}, but node {_shown(job, node_id)} shows something else'
        raise RunFailed(f"{message}: {error}", node_id=node_id, class_type=_class_type(job, node_id)) from error
    return Found(name, node_id, value=values[0] if len(values) == 1 else values)


def _missing(job: Job, result: RunResult, name: str, node_id: str) -> RunFailed:
    kinds = {file.kind for file in result.files if file.node_id == node_id}
    if _SAVED in kinds:
        hint = "it saved files, but shows no text: declare it as image, video, audio or file"
    elif kinds:
        hint = "it only made a preview, which is not kept: use a node that saves"
    else:
        hint = "under outputs in the manifest, name the node that saves it"
    return RunFailed(
        f'output "{name}" was not made: node {_shown(job, node_id)} gave nothing that is kept',
        node_id=node_id,
        class_type=_class_type(job, node_id),
        hint=hint,
    )


def _class_type(job: Job, node_id: str) -> str | None:
    class_type: str | None = job.prompt.get(node_id, {}).get("class_type")
    return class_type


def _shown(job: Job, node_id: str) -> str:
    return f"{node_id} ({_class_type(job, node_id)})"
