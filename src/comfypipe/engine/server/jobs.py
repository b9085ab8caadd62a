"""Prompts as jobs, the way newer servers (about 0.38) show them: pure, queue items and history entries in, jobs out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.engine.queue import QueueItem

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")

_ENDS = {"execution_success": "completed", "execution_error": "failed", "execution_interrupted": "cancelled"}
_SHOWABLE = ("images", "video", "audio")


def job_of_item(item: QueueItem, status: str) -> JSONObject:
    """Return the job of a prompt that waits (``pending``) or runs (``in_progress``)."""
    return _known(
        id=item.prompt_id,
        status=status,
        priority=item.number,
        create_time=item.extra_data.get("create_time"),
        outputs_count=0,
        workflow_id=_workflow_id(item.extra_data),
    )


def job_of_entry(prompt_id: str, entry: JSONObject, *, whole: bool = False) -> JSONObject:
    """
    Return the job of a prompt that has ended.

    Args:
        entry: Of the history.
        whole: With its outputs, messages and prompt.
    """
    number, _, prompt, extra_data, _ = entry["prompt"]
    messages: dict[str, Any] = dict(entry["status"]["messages"])
    end = next((kind for kind in _ENDS if kind in messages), "execution_success")
    shown = list(_shown(entry["outputs"]))
    job = _known(
        id=prompt_id,
        status=_ENDS[end],
        priority=number,
        create_time=extra_data.get("create_time"),
        execution_start_time=messages.get("execution_start", {}).get("timestamp"),
        execution_end_time=messages.get(end, {}).get("timestamp"),
        execution_error=messages.get("execution_error"),
        outputs_count=len(shown),
        preview_output=_preview(shown),
        workflow_id=_workflow_id(extra_data),
    )
    if not whole:
        return job
    workflow = {"prompt": prompt, "extra_data": extra_data}
    return job | {"outputs": entry["outputs"], "execution_status": entry["status"], "workflow": workflow}


def find_job(
    prompt_id: str, running: Sequence[QueueItem], pending: Sequence[QueueItem], history: Mapping[str, JSONObject]
) -> JSONObject | None:
    """Return the job of that id with all that is known of it, or None."""
    for status, items in (("in_progress", running), ("pending", pending)):
        for item in items:
            if item.prompt_id == prompt_id:
                return job_of_item(item, status)
    return job_of_entry(prompt_id, history[prompt_id], whole=True) if prompt_id in history else None


def all_jobs(
    running: Sequence[QueueItem],
    pending: Sequence[QueueItem],
    history: Mapping[str, JSONObject],
    statuses: Collection[str] = STATUSES,
) -> list[JSONObject]:
    """Return all jobs in one of *statuses*, the newest first."""
    jobs = [job_of_entry(prompt_id, entry) for prompt_id, entry in history.items()]
    jobs += [job_of_item(item, "in_progress") for item in running]
    jobs += [job_of_item(item, "pending") for item in pending]
    newest_first = [job for job in reversed(jobs) if job["status"] in statuses]
    return sorted(newest_first, key=lambda job: -(job.get("create_time") or 0))


def _known(**fields: Any) -> JSONObject:
    return {name: value for name, value in fields.items() if value is not None}


def _workflow_id(extra_data: JSONObject) -> Any:
    workflow = (extra_data.get("extra_pnginfo") or {}).get("workflow") or {}
    return workflow.get("id") if isinstance(workflow, dict) else None


def _shown(outputs: Mapping[str, JSONObject]) -> Iterator[JSONObject]:
    for node_id, ui in outputs.items():
        for key, items in ui.items():
            for item in items if isinstance(items, (list, tuple)) else ():
                if isinstance(item, dict):
                    yield {**item, "nodeId": node_id, "mediaType": key}


def _preview(shown: Sequence[JSONObject]) -> JSONObject | None:
    pictures = [each for each in shown if each["mediaType"] in _SHOWABLE]
    return next((each for each in pictures if each.get("type") == "output"), next(iter(pictures), None))
