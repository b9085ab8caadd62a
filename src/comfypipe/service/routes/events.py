"""What happens to a run, as it happens: server-sent events."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from comfypipe._types import JSONObject
from comfypipe.jsontext import to_text
from comfypipe.service.access import service_of
from comfypipe.service.documents import Responses, errors
from comfypipe.service.keys import allowed
from comfypipe.service.principal import Principal
from comfypipe.service.progress import Broadcast, ProgressEvent
from comfypipe.service.routes.runs import RunId, WorkflowId, own_run
from comfypipe.service.rows import RunRow

router = APIRouter(tags=["runs"])

BEAT_S = 15.0
"""How often a quiet stream says that it lives."""
_LAST = re.compile(r"([0-9a-f]{8})-([0-9]{1,9})")
_EVENT: JSONObject = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["status", "progress", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_STREAM: Responses = {200: {"content": {"text/event-stream": {"schema": _EVENT}}, "description": "Events."}}


@router.get(
    "/workflows/{workflow_id}/runs/{run_id}/events",
    response_class=StreamingResponse,
    responses={**_STREAM, **errors(404)},
)
async def get_events(
    request: Request,
    workflow_id: WorkflowId,
    run_id: RunId,
    principal: Annotated[Principal, allowed("runs:read")],
    *,
    last_event_id: Annotated[str | None, Header(max_length=64, description="Go on after this one.")] = None,
) -> Response:
    """
    Stream a run's events until it has ended: `status`, `progress` of nodes, `end`.

    Each holds JSON. A client that was cut off goes on where it was, with `Last-Event-ID`.
    """
    run = await own_run(request, principal, workflow_id, run_id)
    broadcast = service_of(request).parts.broadcast
    stream = _stream(broadcast, run, _after(broadcast, last_event_id))
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, headers=headers, media_type="text/event-stream")


async def _stream(broadcast: Broadcast, run: RunRow, after: int) -> AsyncIterator[bytes]:
    if after == 0:
        yield _written("status", to_text({"id": run.id, "status": run.status}))
    if run.ended and not broadcast.knows(run.id):
        yield _written("end", to_text({"id": run.id, "status": run.status}))
        return
    async with aclosing(_with_beats(broadcast.follow(run.id, after))) as events:
        async for event in events:
            if event is None:
                yield b": alive\n\n"
            else:
                data = to_text({"id": run.id, **event.data})
                yield _written(event.kind, data, f"{broadcast.epoch}-{event.number}")


async def _with_beats(events: AsyncGenerator[ProgressEvent, None]) -> AsyncGenerator[ProgressEvent | None, None]:
    """Yield the events, and None whenever there was none for a while."""
    coming: asyncio.Task[ProgressEvent | None] | None = None
    try:
        while True:
            coming = coming or asyncio.create_task(_next(events))
            await asyncio.wait([coming], timeout=BEAT_S)
            if not coming.done():
                yield None
                continue
            event, coming = coming.result(), None
            if event is None:
                return
            yield event
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            with suppress(asyncio.CancelledError):
                await coming
        await events.aclose()


async def _next(events: AsyncGenerator[ProgressEvent, None]) -> ProgressEvent | None:
    """Return the next event; None when there are no more."""
    return await anext(events, None)


def _after(broadcast: Broadcast, last_event_id: str | None) -> int:
    """Return the number of the last event that the client has; 0 where that was another process's."""
    found = _LAST.fullmatch(last_event_id or "")
    return int(found[2]) if found and found[1] == broadcast.epoch else 0


def _written(kind: str, data: str, event_id: str | None = None) -> bytes:
    named = f"id: {event_id}\n" if event_id else ""
    return f"{named}event: {kind}\ndata: {data}\n\n".encode()
