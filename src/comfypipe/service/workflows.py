"""The workflows of the service's database, and those that a project publishes."""

from comfypipe.manifest.load import Manifest
from comfypipe.service.principal import LOCAL_TENANT
from comfypipe.service.rows import WorkflowRow, row_of, stored, stored_value
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert, update


def find_workflow(connection: Connection, tenant: str, workflow_id: str) -> WorkflowRow | None:
    """Return a tenant's workflow."""
    found = connection.execute(_FIND, {"tenant": tenant, "id": workflow_id})
    return row_of(WorkflowRow, found[0]) if found else None


def list_workflows(connection: Connection, tenant: str, limit: int) -> list[WorkflowRow]:
    """Return a tenant's workflows, those changed last first."""
    return [row_of(WorkflowRow, each) for each in connection.execute(_LIST, {"tenant": tenant, "limit": limit})]


def put_workflow(connection: Connection, workflow: WorkflowRow) -> WorkflowRow:
    """Store a workflow, in place of what it was before, and return it."""
    known = find_workflow(connection, workflow.tenant, workflow.id)
    if known is None:
        insert(connection, "workflows", stored(workflow))
        return workflow
    changes = {name: getattr(workflow, name) for name in ("name", "description", "tags", "accelerator", "updated_ms")}
    kept = {"tenant": workflow.tenant, "id": workflow.id}
    update(connection, "workflows", kept, {name: stored_value(name, value) for name, value in changes.items()})
    return find_workflow(connection, workflow.tenant, workflow.id) or workflow


def latest_run(connection: Connection, tenant: str, workflow_id: str) -> str | None:
    """Return the id of a workflow's newest run."""
    found = connection.execute(_LATEST, {"tenant": tenant, "workflow": workflow_id})
    return found[0]["id"] if found else None


def published_workflow(manifest: Manifest, started_ms: int) -> WorkflowRow:
    """
    Return a project's workflow or pipeline as one of everybody's.

    Args:
        started_ms: When the service read it.
    """
    spec = manifest.spec
    accelerators = getattr(spec, "accelerator", None) or ()
    first = accelerators if isinstance(accelerators, str) else next(iter(accelerators), None)
    return WorkflowRow(
        tenant=LOCAL_TENANT,
        id=manifest.name,
        name=manifest.name,
        description=spec.description or None,
        tags=list(getattr(spec, "tags", ())),
        accelerator=first,
        created_ms=started_ms,
        updated_ms=started_ms,
    )


_FIND = "SELECT * FROM workflows WHERE tenant = :tenant AND id = :id"
_LIST = "SELECT * FROM workflows WHERE tenant = :tenant ORDER BY updated_ms DESC, id LIMIT :limit"
_LATEST = (
    "SELECT id FROM runs WHERE tenant = :tenant AND workflow_id = :workflow ORDER BY created_ms DESC, id DESC LIMIT 1"
)
