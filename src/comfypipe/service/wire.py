"""Runs and workflows as ComfyICU's clients see them: every key, in its shape."""

from comfypipe._types import JSON, JSONObject
from comfypipe.service.links import FileLink, Links
from comfypipe.service.rows import COMPLETED, ERROR, RunRow, WorkflowRow
from comfypipe.service.times import iso

_KEPT = (
    "parent_workflow_id",
    "parent_run_id",
    "workflow",
    "workflow_api",
    "deleted_at",
)
"""Keys that ComfyICU's own pages need: always null here."""


def run_object(run: RunRow, links: Links, base_url: str, *, extended: bool = False) -> JSONObject:
    """
    Return a run in ComfyICU's wire shape.

    Args:
        base_url: What the client calls the service: ``https://host``.
        extended: Tell what that shape does not have a place for, as a run may also have asked for itself: why it failed
            in ``error``; which node saved a file; ``values``, ``simulated``, ``comfypipe``.
    """
    extended = extended or bool(run.request.get("extended"))
    shown = {
        "id": run.id,
        "created_at": iso(run.created_ms),
        "updated_at": iso(run.updated_ms),
        "started_at": iso(run.started_ms),
        "completed_at": iso(run.ended_ms),
        "run_time": run.run_time_ms,
        "status": run.status,
        "kind": "comfyui",
        "data": _data(run),
        "workflow_id": run.workflow_id,
        "output": _output(run, links, base_url, extended=extended),
        "error": None,
        "files": run.request.get("files", {}),
        "name": run.name,
        "tags": run.tags,
        "view_count": 0,
        "download_count": 0,
        "is_nsfw": False,
        "user_id": run.tenant,
        "device": run.device,
        "accelerator": run.accelerator,
        "visibility": "PRIVATE",
        "api_key_id": run.key_id,
        "retry_count": max(0, run.attempts - 1),
        "client_agent": run.client_agent,
        "webhook": run.webhook,
        "project_id": None,
        "user": {"id": run.tenant, "name": run.tenant, "image": "", "plan": "SELF_HOSTED"},
        "metadata": _metadata(run),
        **dict.fromkeys(_KEPT),
    }
    return shown | _beyond(run) if extended else shown


def workflow_object(workflow: WorkflowRow, current_run_id: str | None = None) -> JSONObject:
    """Return a workflow in ComfyICU's wire shape."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "description": workflow.description,
        "created_at": iso(workflow.created_ms),
        "updated_at": iso(workflow.updated_ms),
        "tags": workflow.tags,
        "is_nsfw": False,
        "visibility": "PRIVATE",
        "user_id": workflow.tenant,
        "current_run_id": current_run_id,
        "models": [],
        "accelerator": workflow.accelerator,
        "project_id": None,
        "deleted_at": None,
        "featuredImages": [],
    }


def output_place(run: RunRow, filename: str) -> str:
    """Return what an output is called on the wire."""
    return f"/workflows/{run.workflow_id}/output/{run.id}/{filename}"


def _data(run: RunRow) -> JSONObject:
    extra_data = run.request.get("extra_data") or {"extra_pnginfo": {"workflow": {}}}
    data: JSONObject = {"prompt": run.request.get("prompt", {}), "extra_data": extra_data}
    if "inputs" in run.request:
        data["inputs"] = run.request["inputs"]
    return data | {"accelerator": run.accelerator}


def _output(run: RunRow, links: Links, base_url: str, *, extended: bool) -> JSON:
    if run.status == ERROR:
        return {"error": _error(run)}
    if run.status != COMPLETED:
        return None
    files = [_file(run, position, file, links, base_url) for position, file in enumerate(run.output or [])]
    if not extended:
        return files
    return [{**more, **mine} for mine, more in zip(files, run.output or [], strict=True)]


def _file(run: RunRow, position: int, file: JSONObject, links: Links, base_url: str) -> JSONObject:
    name = file["filename"]
    url = links.path(FileLink("outputs", run.id, position), name)
    thumbnail = links.path(FileLink("thumbnails", run.id, position), f"{name}.webp")
    return {
        "filename": output_place(run, f"{file['subfolder']}/{name}" if file.get("subfolder") else name),
        "url": f"{base_url}{url}",
        "thumbnail_url": f"{base_url}{thumbnail}",
    }


def _error(run: RunRow) -> JSONObject:
    """Return what ComfyICU puts in place of outputs when a run has failed."""
    error = run.error or {}
    said = {
        "type": error.get("type", "error"),
        "details": error.get("details", ""),
        "message": error.get("message", ""),
        "extra_info": error.get("extra_info", {}),
    }
    return {
        "details": {"error": said, "node_errors": error.get("node_errors", {})},
        "prompt_id": run.id,
        "traceback": error.get("traceback", []),
        "exception_type": error.get("exception_type") or said["type"],
        "exception_message": said["message"],
    }


def _metadata(run: RunRow) -> JSONObject:
    return {"extensions": [], "nodes": [], "checkpoints": [], "notes": [], "groups": [], **(run.metadata or {})}


def _beyond(run: RunRow) -> JSONObject:
    return {
        "error": run.error,
        "values": run.shown or {},
        "simulated": bool(run.simulated),
        "comfypipe": {"download_time": run.download_ms, "attempts": run.attempts, "cancelled": bool(run.cancelled)},
    }
