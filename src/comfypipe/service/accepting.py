"""Accepting a run: checked whole, then stored whole, in one transaction, before anybody is told its id."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from comfypipe._types import JSONObject
from comfypipe.diagnostics import Diagnostic
from comfypipe.errors import ComfypipeError, DownloadRefused, InputError, ManifestInvalid, PlanError, PromptInvalid
from comfypipe.execution.resume import seeds_of
from comfypipe.jsontext import to_text
from comfypipe.service.checking import refuse_invalid
from comfypipe.service.errors import Problem, unknown
from comfypipe.service.idempotency import Answer, IdempotencyKey, answered, remember
from comfypipe.service.ids import new_id
from comfypipe.service.keys.audit import AuditRow, record
from comfypipe.service.principal import Principal
from comfypipe.service.references import note_use, own_files
from comfypipe.service.requests import WORKFLOW_ID, RunRequest
from comfypipe.service.rows import RunRow, WorkflowRow
from comfypipe.service.runs import OpenRun, add_run
from comfypipe.service.state import Parts
from comfypipe.service.times import now_ms
from comfypipe.service.workflows import find_workflow, put_workflow
from comfypipe.store.connection import Connection
from comfypipe.store.ids import new_run_id


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A request to run something.

    Attributes:
        base_url: What the client called the service.
        agent: What the client calls itself.
        origin: Where it comes from.
    """

    principal: Principal
    workflow_id: str
    request: RunRequest
    base_url: str
    agent: str | None = None
    origin: str = ""
    key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    What the client is answered.

    Attributes:
        run: The new run; None when the answer is one that was given before.
    """

    answer: Answer
    run: OpenRun | None = None


async def accept(parts: Parts, asked: Asked) -> Accepted:
    """
    Store a run that was asked for.

    Raises:
        Problem: It cannot be; nothing was stored.
    """
    if not WORKFLOW_ID.fullmatch(asked.workflow_id):
        raise unknown("workflow")
    check_urls(parts, asked.request)
    await refuse_invalid(parts, asked.request)
    seeds = await _seeds(parts, asked) if asked.request.inputs is not None else None
    run = _row(asked, seeds)
    result = await parts.worker.write(_writer(parts, asked, run))
    if isinstance(result, Problem):
        raise result
    return result


def check_urls(parts: Parts, request: RunRequest) -> None:
    """
    Make sure that no URL leads where connections may not go, as far as its text says; names are looked up later.

    Raises:
        Problem: One does.
    """
    urls = [("invalid-file", path, url) for path, url in request.files.items() if parts.links.read(url) is None]
    if request.webhook is not None:
        urls.append(("invalid-webhook", "webhook", request.webhook))
    for kind, what, url in urls:
        try:
            parts.policy.check_url(url)
        except DownloadRefused as error:
            raise Problem(400, kind, f"{what}: {error.message}") from None


def _row(asked: Asked, seeds: JSONObject | None) -> RunRow:
    request, created_ms = asked.request, now_ms()
    sent = {
        "prompt": request.prompt,
        "files": {f"/{path}": url for path, url in request.files.items()} or None,
        "inputs": request.inputs,
        "preset": request.preset,
        "seeds": seeds,
        "extra_data": request.extra_data,
        "extended": request.extended or None,
    }
    return RunRow(
        id=new_id(),
        tenant=asked.principal.tenant,
        key_id=asked.principal.key_id,
        workflow_id=asked.workflow_id,
        ledger_id=new_run_id(created_ms),
        request={name: value for name, value in sent.items() if value is not None},
        base_url=asked.base_url,
        created_ms=created_ms,
        updated_ms=created_ms,
        accelerator=request.accelerator,
        webhook=request.webhook,
        name=request.name,
        tags=request.tags,
        metadata=request.metadata,
        client_agent=asked.agent,
    )


def _writer(parts: Parts, asked: Asked, run: RunRow) -> Callable[[Connection], Accepted | Problem]:
    answer = Answer(200, to_text({"id": run.id}))
    audit = AuditRow(run.created_ms, run.tenant, run.key_id, "run.create", run.id, asked.origin)
    named = own_files(run.request, parts.links)

    def write(connection: Connection) -> Accepted | Problem:
        if asked.key is not None:
            before = answered(connection, asked.key, run.created_ms)
            if before is not None:
                return before if isinstance(before, Problem) else Accepted(before)
        if parts.published is None or run.workflow_id not in parts.published:
            workflow = find_workflow(connection, run.tenant, run.workflow_id) or _adopted(connection, parts, run)
            if workflow is None:
                return unknown("workflow")
            add_run(connection, replace(run, accelerator=run.accelerator or workflow.accelerator))
        else:
            add_run(connection, run)
        note_use(connection, named, run.created_ms)
        record(connection, audit)
        if asked.key is not None:
            remember(connection, asked.key, run.id, answer, run.created_ms)
        return Accepted(answer, OpenRun(run.id, run.tenant))

    return write


def _adopted(connection: Connection, parts: Parts, run: RunRow) -> WorkflowRow | None:
    """Return the workflow that a first run makes of an id from elsewhere; None where only known ones will do."""
    if not parts.settings.any_workflow:
        return None
    workflow = WorkflowRow(run.tenant, run.workflow_id, run.workflow_id, run.created_ms, run.created_ms)
    put_workflow(connection, workflow)
    return workflow


async def _seeds(parts: Parts, asked: Asked) -> JSONObject:
    """Return the seeds that were drawn for a published workflow, once its inputs were found to fit."""
    published, inputs = parts.published, asked.request.inputs or {}
    if published is None or asked.workflow_id not in published:
        raise unknown("published workflow")
    try:
        published.check_files(asked.workflow_id, inputs)
        plan = await asyncio.to_thread(
            published.plan, asked.workflow_id, inputs, preset=asked.request.preset, object_info=None
        )
    except ComfypipeError as error:
        raise _refused(error) from None
    return seeds_of(plan)


def _refused(error: ComfypipeError) -> Problem:
    return Problem(422, "invalid-inputs", error.message, diagnostics=_diagnostics(error))


def _diagnostics(error: ComfypipeError) -> list[JSONObject]:
    """Return what is wrong, one by one; of what a client gave, ``input`` tells for which input."""
    if isinstance(error, InputError):
        return [{**_finding(each.code, each), "input": each.name} for each in error.each or (error,)]
    found = error.diagnostics if isinstance(error, ManifestInvalid | PlanError | PromptInvalid) else ()
    return [each.to_json() for each in found] or [_finding("bad-input", error)]


def _finding(code: str, error: ComfypipeError) -> JSONObject:
    return Diagnostic(code, error.message, error.source, error.hint).to_json()
