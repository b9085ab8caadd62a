"""A small client of the service, for its tests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from comfypipe.service.serve import serving
from comfypipe.service.settings import ServiceSettings


@dataclass(frozen=True)
class Client:
    """
    Talks to one service.

    Attributes:
        base_url: With its path: ``http://127.0.0.1:PORT/api/v1``.
    """

    http: httpx.Client
    base_url: str

    def post(self, body: Any, workflow: str = "w", **options: Any) -> httpx.Response:
        """Ask for a run."""
        return self.http.post(f"/workflows/{workflow}/runs", json=body, **options)

    def start(self, body: Any, workflow: str = "w") -> str:
        """Ask for a run that is accepted, and return its id."""
        reply = self.post(body, workflow)
        assert 200 == reply.status_code, reply.text
        run_id: str = reply.json()["id"]
        return run_id

    def get(self, run_id: str, workflow: str = "w", **params: Any) -> dict[str, Any]:
        """Return a run."""
        run: dict[str, Any] = self.http.get(f"/workflows/{workflow}/runs/{run_id}", params=params).json()
        return run

    def end(self, run_id: str, workflow: str = "w", *, within_s: float = 60.0) -> dict[str, Any]:
        """Return a run when it has ended, extended."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            run = self.get(run_id, workflow, extended=1)
            if run["status"] in ("COMPLETED", "ERROR"):
                return run
            time.sleep(0.02)
        raise TimeoutError(f"{run_id} is {run['status']} after {within_s} s")

    def run(self, body: Any, workflow: str = "w") -> dict[str, Any]:
        """Ask for a run, and return it when it has ended."""
        return self.end(self.start(body, workflow), workflow)


@contextmanager
def client_of(url: str, key: str | None = None) -> Iterator[Client]:
    """Talk to the service at *url*, its root."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    base_url = f"{url}/api/v1"
    with httpx.Client(base_url=base_url, headers=headers, timeout=30, trust_env=False) as http:
        yield Client(http, base_url)


@contextmanager
def served(settings: ServiceSettings, key: str | None = None) -> Iterator[Client]:
    """Serve from this process, and talk to it."""
    with serving(settings) as url, client_of(url, key) as client:
        yield client
