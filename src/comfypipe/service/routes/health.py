"""How the service is, and what it is."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from comfypipe.service.access import service_of
from comfypipe.service.documents import errors
from comfypipe.service.json_bodies import json_reply
from comfypipe.service.schemas import Features, Health

router = APIRouter(tags=["service"])
"""Below the API's base path."""
probes = APIRouter(tags=["service"])
"""At the root, where supervisors look."""


@router.get("/features", response_model=Features)
async def features(request: Request) -> Response:
    """Say which service this is: ComfyICU's own has no such page."""
    settings = service_of(request).parts.settings
    return json_reply(
        {
            "service": "comfypipe",
            "accelerators": list(settings.accelerators),
            "features": ["cancel", "events", "extended", "idempotency", "inputs", "uploads", "webhook-signatures"],
        }
    )


@probes.get("/health", response_model=Health)
async def health() -> Response:
    """Say that the process answers."""
    return json_reply({"status": "ok"})


@probes.get("/ready", response_model=Health, responses={503: errors()[503]})
async def ready(request: Request) -> Response:
    """Say whether runs can be taken: whether the database answers; and how many wait."""
    service = service_of(request)
    await service.parts.worker.read(lambda connection: connection.execute("SELECT 1 AS one"))
    return json_reply({"status": "ready", **service.dispatcher.load})
