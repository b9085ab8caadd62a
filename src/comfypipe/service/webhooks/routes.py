"""Routes of webhooks: secrets, what was delivered and what was not, replay, URLs that get nothing."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response

from comfypipe.downloads.urls import redacted
from comfypipe.service.access import service_of
from comfypipe.service.documents import errors
from comfypipe.service.errors import unknown
from comfypipe.service.keys import allowed, client_address
from comfypipe.service.keys.audit import AuditRow, record
from comfypipe.service.principal import Principal
from comfypipe.service.times import now_ms
from comfypipe.service.webhooks import attempts, outbox, secrets, urls
from comfypipe.service.webhooks.outbox import Event
from comfypipe.service.webhooks.shapes import (
    DisabledUrlShape,
    EventDetailsShape,
    EventShape,
    NewSecretShape,
    Rotation,
    SecretShape,
    State,
    UrlChange,
)
from comfypipe.store.connection import Connection
from comfypipe.store.worker import DatabaseWorker

T = TypeVar("T")

Reader = Annotated[Principal, allowed("webhooks:read")]
Writer = Annotated[Principal, allowed("webhooks:write")]
SecretId = Annotated[str, Path(max_length=64)]
WebhookId = Annotated[str, Path(max_length=64, description="The header `webhook-id`.")]
Text = Annotated[str | None, Query(max_length=128)]

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@router.get("/secrets", responses=errors())
async def list_secrets(request: Request, principal: Reader) -> list[SecretShape]:
    """List the secrets that sign deliveries now, the newest first."""
    found = await _worker(request).read(lambda connection: secrets.active(connection, principal.tenant, now_ms()))
    return [SecretShape.of(each) for each in found]


@router.post("/secrets", status_code=201, responses=errors(400))
async def make_secret(request: Request, principal: Writer, rotation: Rotation | None = None) -> NewSecretShape:
    """Make a secret, which is shown this once. Those before it go on signing beside it for a while."""
    key, overlap_ms = service_of(request).signing_key, 1000 * (rotation or Rotation()).overlap_s

    def make(connection: Connection) -> tuple[str, secrets.SecretRecord]:
        text, made = secrets.rotate(connection, key, principal.tenant, overlap_ms=overlap_ms, now_ms=now_ms())
        _note(connection, request, principal, "webhook-secret.create", made.id)
        return text, made

    text, made = await _worker(request).write(make)
    return NewSecretShape(**SecretShape.of(made).model_dump(), secret=text)


@router.delete("/secrets/{secret_id}", status_code=204, responses=errors(404))
async def revoke_secret(request: Request, principal: Writer, secret_id: SecretId) -> Response:
    """Let a secret sign no more, at once."""

    def revoke(connection: Connection) -> bool:
        found = secrets.revoke(connection, principal.tenant, secret_id, now_ms())
        if found:
            _note(connection, request, principal, "webhook-secret.revoke", secret_id)
        return found

    if not await _worker(request).write(revoke):
        raise unknown("secret")
    return Response(status_code=204)


@router.get("/events", responses=errors())
async def list_events(
    request: Request,
    principal: Reader,
    run_id: Text = None,
    state: State | None = None,
    before: Annotated[str | None, Query(max_length=64, description="The id of the last one seen.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[EventShape]:
    """List what receivers were, or are to be, told, the newest first."""
    found = await _worker(request).read(
        lambda connection: outbox.listed(
            connection, principal.tenant, run_id=run_id, state=state, before=before, limit=limit
        )
    )
    return [EventShape.of(each) for each in found]


@router.get("/events/{webhook_id}", responses=errors(404))
async def show_event(request: Request, principal: Reader, webhook_id: WebhookId) -> EventDetailsShape:
    """Show what a receiver was told, and every attempt at it."""

    def read(connection: Connection) -> EventDetailsShape | None:
        event = _own(connection, principal, webhook_id)
        if event is None:
            return None
        return EventDetailsShape.with_attempts(event, attempts.logged(connection, webhook_id))

    return _known(await _worker(request).read(read), "event")


@router.post("/events/{webhook_id}/replay", status_code=202, responses=errors(404))
async def replay_event(request: Request, principal: Writer, webhook_id: WebhookId) -> EventShape:
    """Send it again, now, with the same id and body; when it is not taken, again as the schedule says."""

    def replay(connection: Connection) -> EventShape | None:
        event = _own(connection, principal, webhook_id)
        if event is None:
            return None
        _note(connection, request, principal, "webhook.replay", webhook_id)
        return EventShape.of(outbox.replay(connection, event, now_ms()))

    shown = _known(await _worker(request).write(replay), "event")
    service_of(request).deliverer.wake()
    return shown


@router.get("/urls", responses=errors())
async def list_disabled_urls(request: Request, principal: Reader) -> list[DisabledUrlShape]:
    """List the URLs that get nothing: those that answered 410, and those that were switched off."""
    found = await _worker(request).read(lambda connection: urls.disabled(connection, principal.tenant))
    return [DisabledUrlShape.of(each) for each in found]


@router.post("/urls/disable", status_code=204, responses=errors(400))
async def disable_url(request: Request, principal: Writer, change: UrlChange) -> Response:
    """Send nothing to a URL any more; what is waiting for it rests until it is replayed."""

    def disable(connection: Connection) -> None:
        urls.disable(connection, principal.tenant, change.url, urls.BY_HAND, now_ms())
        outbox.switch_off(connection, principal.tenant, change.url, now_ms())
        _note(connection, request, principal, "webhook-url.disable", redacted(change.url))

    await _worker(request).write(disable)
    return Response(status_code=204)


@router.post("/urls/enable", status_code=204, responses=errors(400, 404))
async def enable_url(request: Request, principal: Writer, change: UrlChange) -> Response:
    """Send later events to a URL again; those that were not sent meanwhile can be replayed."""

    def enable(connection: Connection) -> bool:
        found = urls.enable(connection, principal.tenant, change.url)
        if found:
            _note(connection, request, principal, "webhook-url.enable", redacted(change.url))
        return found

    if not await _worker(request).write(enable):
        raise unknown("disabled URL")
    return Response(status_code=204)


def _worker(request: Request) -> DatabaseWorker:
    return service_of(request).parts.worker


def _own(connection: Connection, principal: Principal, webhook_id: str) -> Event | None:
    """Return an event; None for one that is another tenant's, as for one that is nobody's."""
    event = outbox.find(connection, webhook_id)
    return event if event is not None and event.tenant == principal.tenant else None


def _known(found: T | None, what: str) -> T:
    if found is None:
        raise unknown(what)
    return found


def _note(connection: Connection, request: Request, principal: Principal, action: str, target: str) -> None:
    origin = client_address(request)
    record(connection, AuditRow(now_ms(), principal.tenant, principal.key_id, action, target, origin))
