"""API keys for tests."""

import asyncio
from functools import partial

from comfypipe.service.keys.records import create
from comfypipe.service.migrations import SERVICE
from comfypipe.service.principal import SCOPES
from comfypipe.service.settings import ServiceSettings
from comfypipe.service.times import now_ms
from comfypipe.store.connection import Connection
from comfypipe.store.worker import DatabaseWorker


def make_keys(settings: ServiceSettings, *tenants: str) -> list[str]:
    """Make a key for each tenant in a service's database."""

    async def make() -> list[str]:
        worker = DatabaseWorker(settings.location, SERVICE)
        try:
            return [await worker.write(partial(_created, tenant=tenant)) for tenant in tenants]
        finally:
            await worker.close()

    settings.data.mkdir(parents=True, exist_ok=True)
    return asyncio.run(make())


def _created(connection: Connection, tenant: str) -> str:
    return create(connection, tenant, name="test", scopes=SCOPES, expires_ms=None, now_ms=now_ms())[0]
