"""Runs: asked for, looked at, listed, cancelled."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from comfypipe.service.accepting import Asked, accept
from comfypipe.service.access import base_url, service_of
from comfypipe.service.documents import RUN_EXAMPLE, RUN_REQUEST, errors, json_body
from comfypipe.service.errors import unknown
from comfypipe.service.idempotency import HEADER, REPLAYED, read_key
from comfypipe.service.json_bodies import json_reply, read_json
from comfypipe.service.keys import allowed
from comfypipe.service.keys.audit import AuditRow, record
from comfypipe.service.keys.authenticate import client_address
from comfypipe.service.principal import Principal
from comfypipe.service.requests import read_request
from comfypipe.service.rows import RunRow
from comfypipe.service.runs import OpenRun, RunFilter, change_run, find_own_run, list_runs
from comfypipe.service.schemas import RunCreated, RunObject
from comfypipe.service.times import now_ms
from comfypipe.service.wire import run_object
from comfypipe.service.workflows import find_workflow
from comfypipe.store.connection import Connection

router = APIRouter(tags=["runs"])

WorkflowId = Annotated[str, Path(description="A workflow's id.", examples=["portrait"])]
RunId = Annotated[str, Path(description="A run's id.", examples=["APCmAT2lf8O6sAgk2Svf2"])]
Extended = Annotated[
    bool, Query(description="Tell more than ComfyICU does: why a run failed in `error`, and `comfypipe`.")
]
Status = Literal["QUEUED", "STARTED", "COMPLETED", "ERROR"]

_KEY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The same key with the same body gets the same answer for 24 hours; nothing runs twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


@router.post(
    "/workflows/{workflow_id}/runs",
    response_model=RunCreated,
    responses=errors(400, 404, 415),
    openapi_extra={**json_body(RUN_REQUEST, RUN_EXAMPLE), "parameters": [_KEY]},
)
async def create_run(
    request: Request, workflow_id: WorkflowId, principal: Annotated[Principal, allowed("runs:write")]
) -> Response:
    """Run a prompt, or a published workflow with inputs; the reply is the run's id alone."""
    service = service_of(request)
    body = await read_json(request)
    asked = Asked(
        principal,
        workflow_id,
        read_request(body, service.parts.settings),
        base_url(request),
        request.headers.get("user-agent", "")[:200] or None,
        client_address(request),
        read_key(request.headers.get(HEADER), principal, request.url.path, body),
    )
    accepted = await accept(service.parts, asked)
    if accepted.run is not None:
        service.dispatcher.submit(accepted.run)
    headers = {REPLAYED: "true"} if accepted.run is None else {}
    return Response(accepted.answer.body, accepted.answer.status, headers, media_type="application/json")


@router.get("/workflows/{workflow_id}/runs/{run_id}", response_model=RunObject, responses=errors(404))
async def get_run(
    request: Request,
    workflow_id: WorkflowId,
    run_id: RunId,
    principal: Annotated[Principal, allowed("runs:read")],
    *,
    extended: Extended = False,
) -> Response:
    """Return a run."""
    run = await own_run(request, principal, workflow_id, run_id)
    return json_reply(run_object(run, service_of(request).parts.links, base_url(request), extended=extended))


@router.get("/workflows/{workflow_id}/runs", response_model=list[RunObject], responses=errors(404))
async def get_runs(
    request: Request,
    workflow_id: WorkflowId,
    principal: Annotated[Principal, allowed("runs:read")],
    *,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at most.")] = 100,
    before: Annotated[str | None, Query(max_length=64, description="Only runs older than this one.")] = None,
    status: Annotated[Status | None, Query(description="Only runs of this status.")] = None,
    tag: Annotated[str | None, Query(min_length=1, max_length=64, description="Only runs with this tag.")] = None,
    extended: Extended = False,
) -> Response:
    """Return a workflow's runs, newest first; the header `Link` leads to the next page."""
    parts = service_of(request).parts
    wanted = RunFilter(workflow_id, status, tag, before, limit + 1)

    def read(connection: Connection) -> list[RunRow] | None:
        found = list_runs(connection, principal.tenant, wanted)
        known = found or find_workflow(connection, principal.tenant, workflow_id) is not None
        return found if known or (parts.published is not None and workflow_id in parts.published) else None

    found = await parts.worker.read(read)
    if found is None:
        raise unknown("workflow")
    shown = [run_object(each, parts.links, base_url(request), extended=extended) for each in found[:limit]]
    return json_reply(shown, _next_page(request, found[limit - 1].id) if len(found) > limit else {})


@router.post("/workflows/{workflow_id}/runs/{run_id}/cancel", response_model=RunObject, responses=errors(404))
async def cancel_run(
    request: Request, workflow_id: WorkflowId, run_id: RunId, principal: Annotated[Principal, allowed("runs:write")]
) -> Response:
    """End a run, queued or executing, and return it: with status ERROR. One that has ended stays as it is."""
    service = service_of(request)
    run = await own_run(request, principal, workflow_id, run_id)
    if not run.ended:
        audit = AuditRow(now_ms(), run.tenant, principal.key_id, "run.cancel", run.id, client_address(request))

        def write(connection: Connection) -> None:
            change_run(connection, run.id, {"cancelled": 1})
            record(connection, audit)

        await service.parts.worker.write(write)
        await service.dispatcher.cancel(OpenRun(run.id, run.tenant))
        run = await own_run(request, principal, workflow_id, run_id)
    return json_reply(run_object(run, service.parts.links, base_url(request)))


async def own_run(request: Request, principal: Principal, workflow_id: str, run_id: str) -> RunRow:
    """
    Return a tenant's run.

    Raises:
        Problem: It has none of that id.
    """
    worker = service_of(request).parts.worker
    found = await worker.read(lambda connection: find_own_run(connection, principal.tenant, workflow_id, run_id))
    if found is None:
        raise unknown("run")
    return found


def _next_page(request: Request, last: str) -> dict[str, str]:
    url = request.url.include_query_params(before=last)
    return {"Link": f'<{base_url(request)}{url.path}?{url.query}>; rel="next"'}
