"""
A client as ComfyICU's documentation has it: nothing in it knows of comfypipe.

It creates a run, polls at most 30 times, and receives webhooks with Flask. What a user of it would change when moving
here is what `Settings` holds: the base URL, and how long to sleep between polls.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

import requests
from flask import Flask, jsonify, request
from werkzeug.serving import make_server


@dataclass(frozen=True)
class Settings:
    """The base URL, the key, and how long to sleep between polls."""

    base_url: str
    key: str
    delay_s: float = 10.0


def headers(settings: Settings) -> dict[str, str]:
    """Return what every request has."""
    return {
        "accept": "application/json",
        "content-type": "application/json",
        "authorization": "Bearer " + settings.key,
    }


def run_workflow(settings: Settings, body: dict[str, Any]) -> Any:
    """Create a run."""
    url = settings.base_url + "/workflows/" + body["workflow_id"] + "/runs"
    return requests.post(url, headers=headers(settings), json=body, timeout=30).json()


def get_run_status(settings: Settings, workflow_id: str, run_id: str) -> Any:
    """Return a run."""
    url = f"{settings.base_url}/workflows/{workflow_id}/runs/{run_id}"
    return requests.get(url, headers=headers(settings), timeout=30).json()


def poll_run_status(settings: Settings, workflow_id: str, run_id: str, max_attempts: int = 30) -> Any:
    """Poll until the run has ended."""
    for _ in range(max_attempts):
        status = get_run_status(settings, workflow_id, run_id)
        if status["status"] in ["COMPLETED", "ERROR"]:
            return status
        time.sleep(settings.delay_s)
    raise TimeoutError("Max polling attempts reached")


@dataclass
class Receiver:
    """
    What was received.

    Attributes:
        url: Where to POST to.
        bodies: In the order in which they came.
    """

    url: str
    bodies: list[Any] = field(default_factory=list)
    changed: Condition = field(default_factory=Condition)

    def wait_for(self, count: int, within_s: float = 30.0) -> list[Any]:
        """Return what was received, once it is so many."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.bodies) >= count, within_s)
        return self.bodies


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive webhooks on loopback, with Flask."""
    app = Flask(__name__)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/api/comfyicu-webhook")

    @app.route("/api/comfyicu-webhook", methods=["POST"])
    def comfyicu_webhook() -> Any:
        with receiver.changed:
            receiver.bodies.append(request.json)
            receiver.changed.notify_all()
        return jsonify({"status": "success"}), 200

    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
