"""Two tenants of one service, and every endpoint that its OpenAPI document names."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.service.client import Client, client_of
from tests.service.hosting import taking
from tests.service.materials import picture_prompt

from comfypipe.service.keys import records
from comfypipe.service.migrations import SERVICE
from comfypipe.service.principal import SCOPES
from comfypipe.service.serve import serving
from comfypipe.service.settings import ServiceSettings
from comfypipe.store.database import open_database


@dataclass(frozen=True)
class Operation:
    """
    A method of a path.

    Attributes:
        path: As the document has it, with ``{names}``.
        scopes: What it asks of a key; None where it asks for none.
    """

    method: str
    path: str
    scopes: tuple[str, ...] | None
    has_body: bool

    @property
    def names(self) -> list[str]:
        """The parameters of the path, in order."""
        return [each.split("}")[0] for each in self.path.split("{")[1:]]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Return every operation of an OpenAPI document."""
    found = []
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            security = described.get("security")
            scopes = None if security is None else tuple(security[0]["API key"])
            found.append(Operation(method.upper(), path, scopes, "requestBody" in described))
    return found


def make_key(settings: ServiceSettings, tenant: str, scopes: frozenset[str] = SCOPES) -> str:
    """Return a new key of a service."""
    database = open_database(settings.location, SERVICE)
    connection = database.connect()
    with connection.transaction(writes=True):
        text, _ = records.create(connection, tenant, name="test", scopes=scopes, expires_ms=None, now_ms=1)
    connection.close()
    database.close()
    return text


@dataclass(frozen=True)
class Tenants:
    """
    A service that Anna has used, and Ben has not.

    Attributes:
        ids: By parameter, an id of something of Anna's.
        receiver: Origin of the receiver of her webhooks.
    """

    settings: ServiceSettings
    url: str
    anna: Client
    ben: Client
    ids: Mapping[str, str]
    receiver: str

    def ask(self, client: Client, operation: Operation, **changed: str) -> httpx.Response:
        """Send a request with Anna's ids, or those that are named, and a body that fits."""
        path = operation.path.format(**{**self.ids, **changed})
        options: dict[str, Any] = {}
        if operation.has_body:
            options = {"json": BODIES.get((operation.method, operation.path), {})}
        return client.http.request(operation.method, f"{self.url}{path}", timeout=20, **options)

    def everything_of_anna(self) -> str:
        """Return her rows of every table, as text."""
        connection = sqlite3.connect(self.settings.data / "service.sqlite3")
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for table in sorted(tables):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            if "tenant" in columns and table not in ("audit", "api_keys"):
                query = f"SELECT * FROM {table} WHERE tenant = 'anna' ORDER BY 1, 2"  # noqa: S608
                found[table] = connection.execute(query).fetchall()
        connection.close()
        return json.dumps(found, indent=1, default=str)


BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/api/v1/workflows/{workflow_id}/runs"): {"prompt": picture_prompt()},
    ("POST", "/api/v1/webhooks/urls/disable"): {"url": "http://127.0.0.1:1/hook"},
    ("POST", "/api/v1/webhooks/urls/enable"): {"url": "http://127.0.0.1:1/hook"},
}
"""Bodies that an operation takes, where ``{}`` is none."""


@contextmanager
def two_tenants(folder: Path) -> Iterator[Tenants]:
    """Serve two tenants; one has a run, a file, a secret and a webhook."""
    with taking() as receiver:
        settings = ServiceSettings(folder, allow_origins=frozenset({receiver.origin}))
        keys = {tenant: make_key(settings, tenant) for tenant in ("anna", "ben")}
        with serving(settings) as url, client_of(url, keys["anna"]) as anna, client_of(url, keys["ben"]) as ben:
            run = anna.run({"prompt": picture_prompt(), "webhook": f"{receiver.origin}/hook"}, "annas")
            upload = anna.http.put("/files/photo.png", content=b"x").json()
            secret = anna.http.post("/webhooks/secrets").json()
            anna.http.post("/webhooks/urls/disable", json={"url": "http://127.0.0.1:1/hook"})
            receiver.wait_for(2)
            events = anna.http.get("/webhooks/events").json()
            owner, position, signature, filename = run["output"][0]["url"].split("/")[-4:]
            ids = {
                "workflow_id": "annas",
                "run_id": run["id"],
                "secret_id": secret["id"],
                "webhook_id": events[0]["id"],
                "filename": filename,
                "owner": owner,
                "position": position,
                "signature": signature,
            }
            assert upload["id"]
            yield Tenants(settings, url, anna, ben, ids, receiver.origin)
