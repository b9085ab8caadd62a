"""Workflows: those that a project publishes, and those of the tenant's own."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from comfypipe._types import JSON, JSONObject
from comfypipe.manifest.load import Manifest
from comfypipe.service.access import service_of
from comfypipe.service.documents import WORKFLOW_REQUEST, errors, json_body
from comfypipe.service.errors import Problem, unknown
from comfypipe.service.json_bodies import json_reply, read_json
from comfypipe.service.keys import allowed
from comfypipe.service.keys.audit import AuditRow, record
from comfypipe.service.keys.authenticate import client_address
from comfypipe.service.principal import Principal
from comfypipe.service.requests import WORKFLOW_ID, read_workflow
from comfypipe.service.routes.runs import Extended, WorkflowId
from comfypipe.service.rows import WorkflowRow
from comfypipe.service.schemas import WorkflowObject
from comfypipe.service.service import Service
from comfypipe.service.times import now_ms
from comfypipe.service.wire import workflow_object
from comfypipe.service.workflows import (
    find_workflow,
    latest_run,
    list_workflows,
    published_workflow,
    put_workflow,
)
from comfypipe.store.connection import Connection

router = APIRouter(tags=["workflows"])


@router.get("/workflows", response_model=list[WorkflowObject], responses=errors())
async def get_workflows(
    request: Request,
    principal: Annotated[Principal, allowed("workflows:read")],
    *,
    limit: Annotated[int, Query(ge=1, le=500, description="How many of the tenant's own at most.")] = 100,
    extended: Extended = False,
) -> Response:
    """Return the published workflows, and the tenant's own, those changed last first."""
    service = service_of(request)

    def read(connection: Connection) -> list[tuple[WorkflowRow, str | None]]:
        found = [*_published(service), *list_workflows(connection, principal.tenant, limit)]
        return [(each, latest_run(connection, principal.tenant, each.id)) for each in _once(found)]

    found = await service.parts.worker.read(read)
    return json_reply([_shown(service, each, run_id, extended=extended) for each, run_id in found])


@router.get("/workflows/{workflow_id}", response_model=WorkflowObject, responses=errors(404))
async def get_workflow(
    request: Request,
    workflow_id: WorkflowId,
    principal: Annotated[Principal, allowed("workflows:read")],
    *,
    extended: Extended = False,
) -> Response:
    """Return a workflow; with `extended`, also the inputs and outputs of a published one."""
    service = service_of(request)
    published = next((each for each in _published(service) if each.id == workflow_id), None)

    def read(connection: Connection) -> tuple[WorkflowRow | None, str | None]:
        found = published or find_workflow(connection, principal.tenant, workflow_id)
        return found, latest_run(connection, principal.tenant, workflow_id)

    found, run_id = await service.parts.worker.read(read)
    if found is None:
        raise unknown("workflow")
    return json_reply(_shown(service, found, run_id, extended=extended))


@router.put(
    "/workflows/{workflow_id}",
    summary="Put Workflow",
    response_model=WorkflowObject,
    responses=errors(400, 404, 409, 415),
    openapi_extra=json_body(WORKFLOW_REQUEST, {"name": "Portraits"}),
)
async def put(
    request: Request, workflow_id: WorkflowId, principal: Annotated[Principal, allowed("workflows:write")]
) -> Response:
    """Make a workflow, or change it. An id has letters, digits, `.`, `_` and `-`."""
    service = service_of(request)
    if not WORKFLOW_ID.fullmatch(workflow_id):
        raise unknown("workflow")
    given = read_workflow(await read_json(request), service.parts.settings)
    if any(each.id == workflow_id for each in _published(service)):
        raise Problem(409, "published", f"{workflow_id} is published by the service's project, and cannot be changed")
    at_ms = now_ms()
    row = WorkflowRow(
        principal.tenant, workflow_id, created_ms=at_ms, updated_ms=at_ms, **{"name": workflow_id, **given}
    )
    audit = AuditRow(at_ms, row.tenant, principal.key_id, "workflow.put", workflow_id, client_address(request))

    def write(connection: Connection) -> tuple[WorkflowRow, str | None]:
        record(connection, audit)
        return put_workflow(connection, row), latest_run(connection, row.tenant, row.id)

    kept, run_id = await service.parts.worker.write(write)
    return json_reply(workflow_object(kept, run_id))


def _published(service: Service) -> list[WorkflowRow]:
    published = service.parts.published
    found = published.manifests() if published is not None else ()
    return [published_workflow(each, service.started_ms) for each in found]


def _once(found: list[WorkflowRow]) -> list[WorkflowRow]:
    """Return each id once: a published workflow goes before one of the same name that was used before."""
    return list({each.id: each for each in reversed(found)}.values())[::-1]


def _shown(service: Service, workflow: WorkflowRow, run_id: str | None, *, extended: bool) -> JSONObject:
    shown = workflow_object(workflow, run_id)
    published = service.parts.published
    if not extended:
        return shown
    known = published is not None and workflow.id in published
    return shown | {"comfypipe": _declared(published.manifest(workflow.id)) if published and known else None}


def _declared(manifest: Manifest) -> JSON:
    spec = manifest.spec
    return {
        "kind": type(spec).__name__.removesuffix("Spec"),
        "inputs": msgspec.to_builtins(spec.inputs),
        "outputs": msgspec.to_builtins(spec.outputs),
        "presets": msgspec.to_builtins(spec.presets),
    }
