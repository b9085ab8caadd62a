"""``/jobs``: the queue and the history as newer servers (about 0.38) show them; only where the server is told to."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comfypipe._types import JSONObject
from comfypipe.engine.server.access import read_json, settled_state_of, state_of
from comfypipe.engine.server.encoding import JSONReply
from comfypipe.engine.server.jobs import STATUSES, all_jobs, find_job
from comfypipe.engine.server.state import ServerState


async def list_jobs(request: Request) -> Response:
    """Return jobs, the newest first; ``status``, ``limit`` and ``offset`` choose among them."""
    query = request.query_params
    statuses = query["status"].split(",") if query.get("status") else STATUSES
    unknown = sorted(set(statuses) - set(STATUSES))
    if unknown:
        return JSONReply({"error": f"Invalid status value(s): {', '.join(unknown)}"}, 400)
    try:
        limit = int(query["limit"]) if query.get("limit") else None
        offset = max(0, int(query.get("offset") or 0))
    except ValueError:
        return JSONReply({"error": "limit and offset must be integers"}, 400)
    state = await settled_state_of(request)
    jobs = all_jobs(*state.queue.both(), state.history.all(), statuses)
    end = None if limit is None else offset + limit
    pagination = {"offset": offset, "limit": limit, "total": len(jobs), "has_more": end is not None and end < len(jobs)}
    return JSONReply({"jobs": jobs[offset:end], "pagination": pagination})


async def show_job(request: Request) -> Response:
    """Return one job with its outputs; 404 for an unknown one."""
    prompt_id = request.path_params["job_id"]
    job = _find(await settled_state_of(request), prompt_id)
    return JSONReply({"error": "Job not found"}, 404) if job is None else JSONReply(job)


async def cancel_job(request: Request) -> Response:
    """Cancel a job, waiting or running; 404 for an unknown one."""
    state, prompt_id = await settled_state_of(request), request.path_params["job_id"]
    if _find(state, prompt_id) is None:
        return JSONReply({"error": "Job not found"}, 404)
    return JSONReply({"cancelled": await asyncio.to_thread(_cancel, state, prompt_id)})


async def cancel_jobs(request: Request) -> Response:
    """Cancel the jobs ``job_ids``; unknown and ended ones are passed over."""
    try:
        prompt_ids = [str(each) for each in (await read_json(request))["job_ids"]]
    except (KeyError, TypeError, ValueError):
        return JSONReply({"error": "job_ids must be a list"}, 400)
    state = state_of(request)
    cancelled = [await asyncio.to_thread(_cancel, state, prompt_id) for prompt_id in prompt_ids]
    return JSONReply({"cancelled": any(cancelled)})


def _find(state: ServerState, prompt_id: str) -> JSONObject | None:
    running, pending = state.queue.both()
    return find_job(prompt_id, running, pending, state.history.get(prompt_id))


def _cancel(state: ServerState, prompt_id: str) -> bool:
    return state.remove_pending([prompt_id]) or state.interrupt(prompt_id)


ROUTES = (
    Route("/jobs", list_jobs, methods=["GET"]),
    Route("/jobs/cancel", cancel_jobs, methods=["POST"]),
    Route("/jobs/{job_id}", show_job, methods=["GET"]),
    Route("/jobs/{job_id}/cancel", cancel_job, methods=["POST"]),
)
