"""A service in the loop of the test, whose clock the test sets."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from comfypipe.service.app import create_app
from comfypipe.service.retention import prune
from comfypipe.service.settings import ServiceSettings
from comfypipe.service.state import Parts
from comfypipe.store.connection import Connection
from comfypipe.store.statements import update

FAR_MS = 10**14
"""A time that everything there is came before."""


@dataclass(frozen=True)
class Open:
    """A service that is open, and a client of it in the same loop."""

    parts: Parts
    http: httpx.AsyncClient

    async def run(self, body: Any) -> dict[str, Any]:
        """Ask for a run, and return it when it has ended."""
        run_id = (await self.http.post("/workflows/w/runs", json=body)).json()["id"]
        await self.http.get(f"/workflows/w/runs/{run_id}/events")  # ends with the run
        return await self.get(run_id)

    async def get(self, run_id: str) -> dict[str, Any]:
        """Return a run, or the error."""
        found: dict[str, Any] = (await self.http.get(f"/workflows/w/runs/{run_id}", params={"extended": 1})).json()
        return found

    async def upload(self, content: bytes) -> str:
        """Return the URL of an upload."""
        url: str = (await self.http.put("/files/photo.png", content=content)).json()["url"]
        return url

    async def status(self, url: str) -> int:
        """Return what a URL answers."""
        return (await self.http.get(url)).status_code

    async def prune(self, before_ms: int = FAR_MS, *, aged: bool = True) -> None:
        """Prune; the stored files are old enough for that."""
        if aged:
            for path in stored(self.parts):
                os.utime(path, (0, 0))
        await prune(self.parts, before_ms=before_ms)

    async def rows(self, table: str) -> int:
        """Return how many rows a table has."""
        query = f"SELECT COUNT(*) AS found FROM {table}"  # noqa: S608  a name of this file's own
        found: int = (await self.parts.worker.read(lambda connection: connection.execute(query)))[0]["found"]
        return found

    async def change(self, table: str, row_id: str, **changes: Any) -> None:
        """Change a row."""
        await self.parts.worker.write(partial(_change, table=table, row_id=row_id, changes=changes))


def _change(connection: Connection, *, table: str, row_id: str, changes: dict[str, Any]) -> None:
    assert 1 == update(connection, table, {"id": row_id}, changes)


def stored(parts: Parts) -> list[Path]:
    """Return the stored files."""
    return sorted((parts.settings.data / "artifacts").glob("??/*"))


@asynccontextmanager
async def opened(settings: ServiceSettings) -> AsyncIterator[Open]:
    """Open a service, in this loop."""
    app: FastAPI = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000/api/v1") as http:
            yield Open(app.state.service.parts, http)
