"""A service in this process: opened, working, closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path

from filelock import FileLock, Timeout

from comfypipe.backends.registry import BackendPool, split_urls
from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.errors import ComfypipeError, UsageError
from comfypipe.execution.context import KeyedLocks
from comfypipe.service import idempotency, retention
from comfypipe.service.detachable import Detachment
from comfypipe.service.dispatcher import Dispatcher
from comfypipe.service.keys import audit
from comfypipe.service.links import Links, load_secret
from comfypipe.service.migrations import SERVICE
from comfypipe.service.notices import Notices
from comfypipe.service.progress import Broadcast
from comfypipe.service.published import Published
from comfypipe.service.settings import ServiceSettings
from comfypipe.service.state import Parts
from comfypipe.service.times import now_ms
from comfypipe.service.webhooks.deliverer import Deliverer
from comfypipe.service.webhooks.secrets import SigningKey
from comfypipe.store.artifacts import ArtifactStore
from comfypipe.store.files import disk_faults
from comfypipe.store.ledger import Ledger
from comfypipe.store.worker import DatabaseWorker

_TIDY_S = 3600.0

_log = getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """
    A service that works.

    Attributes:
        signing_key: What webhooks' secrets are derived from.
        started_ms: When it was opened.
    """

    parts: Parts
    dispatcher: Dispatcher
    deliverer: Deliverer
    signing_key: SigningKey
    started_ms: int


@asynccontextmanager
async def opened(settings: ServiceSettings) -> AsyncIterator[Service]:
    """
    Open a service, take up the runs that an earlier process left, and close it at the end of the block.

    Raises:
        UsageError: Another process serves from the same folder.
        StoreError: Its database or folder cannot be used.
    """
    lock = _claim(settings)
    try:
        service = _made(settings)
        try:
            await service.dispatcher.start()
            helpers = [asyncio.create_task(each) for each in (service.deliverer.run(), _tidy(service.parts))]
            try:
                yield service
            finally:
                await service.dispatcher.close(settings.drain_s)
                await _end(helpers)
        finally:
            await _close(service.parts)
    finally:
        lock.release()


def _claim(settings: ServiceSettings) -> FileLock:
    with disk_faults(settings.data):
        settings.data.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.data / "serve.lock", thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise UsageError(
            f"another process serves from {settings.data}", hint="end it, or take another folder: --data DIR"
        ) from error
    return lock


def _made(settings: ServiceSettings) -> Service:
    worker = DatabaseWorker(settings.location, SERVICE)
    links = Links(load_secret(settings.data / "url-secret"))
    policy = AddressPolicy(settings.allow_origins)
    signing_key = SigningKey.at(settings.data / "webhook-key")
    deliverer = Deliverer(worker, policy, signing_key)
    detachment = Detachment()
    in_flight = settings.in_flight or _in_flight(settings)
    parts = Parts(
        settings=settings,
        worker=worker,
        ledger=Ledger(settings.data / "ledger.sqlite3"),
        artifacts=ArtifactStore(settings.data / "artifacts"),
        backends=BackendPool(settings.layout, detachment.opener()),
        detachment=detachment,
        links=links,
        notices=Notices(links, settings.public_url, deliverer.wake),
        broadcast=Broadcast(),
        policy=policy,
        downloads=DownloadCache(settings.data / "downloads", policy, max_bytes=settings.download_cache_bytes),
        models=_models(settings),
        published=Published(settings.project) if settings.project is not None else None,
        same=KeyedLocks(),
        slots=asyncio.Semaphore(in_flight),
    )
    parts.backends.get(settings.backend)  # a backend that there is none of is told now, not by the first run
    return Service(parts, Dispatcher(parts, in_flight), deliverer, signing_key, now_ms())


def _in_flight(settings: ServiceSettings) -> int:
    """Return how many runs suit a backend: one that runs, and one that follows at once, for each server."""
    entry = settings.layout.settings.backends.get(settings.backend, settings.backend)
    named = entry if isinstance(entry, str) else entry.get("servers", entry.get("url", ""))
    return 2 * max(1, len(split_urls(named) if isinstance(named, str) else named))


def _models(settings: ServiceSettings) -> Path | None:
    """Return where models can be put: ComfyUI's folder, or that of the engine in this process."""
    in_process = settings.backend.partition(":")[0] in ("embedded", "simulate")
    return settings.layout.engine if in_process else settings.comfyui


async def _tidy(parts: Parts) -> None:
    """Now and then drop what is old."""
    while True:
        with suppress(ComfypipeError):  # the database says so to everybody else as well
            await parts.worker.write(lambda connection: idempotency.forget(connection, now_ms()))
            await parts.worker.write(lambda connection: audit.forget(connection, now_ms()))
            if parts.settings.keep_s is not None:
                await retention.prune(parts, before_ms=now_ms() - round(parts.settings.keep_s * 1000))
        await asyncio.sleep(_TIDY_S)


async def _end(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            _log.error("a part of the service had failed", exc_info=result)


async def _close(parts: Parts) -> None:
    await parts.downloads.close()
    await parts.backends.close()
    await parts.ledger.close()
    await parts.worker.close()
