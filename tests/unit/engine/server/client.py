"""A small engine for tests of the server, and what a client does with it."""

import io
import json
import socket
import threading
from urllib.parse import urlsplit

import httpx
from PIL import Image
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.registry import (
    Context,
    Folders,
    LiveContext,
    NodeClass,
    Registry,
    Result,
    integer,
    outputs,
    required,
)


class Gate:
    """A node that runs until it is let go, so that tests can look at a prompt that runs."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def check(self, value: int, folders: Folders) -> None:
        """Wait, and find nothing wrong."""
        del value, folders
        self.entered.set()
        self.opened.wait(10)

    def run(self, value: int, context: Context) -> tuple[int]:
        """Wait; stop at once when the run is interrupted."""
        self.entered.set()
        while not self.opened.wait(0.005):
            context.progress(1, 2)
        return (value,)


def _save(value: JSON, prefix: str, context: Context) -> Result:
    context.folders.output.mkdir(parents=True, exist_ok=True)
    name = f"{prefix}_{len(list(context.folders.output.iterdir())) + 1:05}_.txt"
    (context.folders.output / name).write_text(str(value))
    return Result(ui={"texts": [{"filename": name, "subfolder": "", "type": "output"}]})


def _preview(value: int, context: LiveContext) -> tuple[int]:
    context.progress(1, 1, b"\x89PNG picture")
    context.say("seen")
    return (value,)


def _same(value: int) -> tuple[int]:
    return (value,)


def _circular(value: int) -> Result:
    shown: JSONObject = {"value": [value]}
    shown["itself"] = [shown]
    return Result(ui=shown)


def _fail(value: int) -> tuple[int]:
    raise ValueError("boom")


def small_registry(gate: Gate) -> Registry:
    """Return a few small nodes; ``Gate`` waits for *gate*."""
    return Registry(
        [
            NodeClass("Number", lambda value: (value,), {"value": integer(0, 0, 1000)}, outputs("INT")),
            NodeClass("Gate", gate.run, {"value": integer(0)}, outputs("INT")),
            NodeClass("Checked", _same, {"value": integer(0)}, outputs("INT"), validate=gate.check),
            NodeClass("Preview", _preview, {"value": integer(0)}, outputs("INT")),
            NodeClass("Circular", _circular, {"value": integer(0)}, (), output_node=True),
            NodeClass("Fail", _fail, {"value": integer(0)}, outputs("INT")),
            NodeClass("Save", _save, {"value": required("*"), "prefix": required("STRING")}, (), output_node=True),
        ]
    )


def node(class_type: str, /, **inputs: JSON) -> JSONObject:
    """Return a node in API format."""
    return {"class_type": class_type, "inputs": inputs}


def prompt(value: int = 1, through: str | None = None) -> JSONObject:
    """Return a prompt that saves a number, through another node where wanted."""
    nodes = {"1": node("Number", value=value), "2": node("Save", value=["1", 0], prefix="n")}
    if through is not None:
        nodes |= {"t": node(through, value=["1", 0]), "2": node("Save", value=["t", 0], prefix="n")}
    return nodes


def post(client: httpx.Client, document: JSONObject, **more: JSON) -> JSONObject:
    """Submit a prompt; return the reply."""
    reply = client.post("/prompt", json={"prompt": document, **more})
    assert 200 == reply.status_code, reply.text
    body: JSONObject = reply.json()
    return body


def ended(client: httpx.Client, prompt_id: str) -> JSONObject:
    """Wait until a prompt has ended; return its history entry."""
    for _ in range(10_000):
        history: JSONObject = client.get(f"/history/{prompt_id}").json()
        if prompt_id in history:
            entry: JSONObject = history[prompt_id]
            return entry
    raise AssertionError("it never ended")


def png(picture: Image.Image) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def upload(client: httpx.Client, name: str, data: bytes, **form: str) -> JSONObject:
    """Upload a file; return the reply."""
    reply = client.post("/upload/image", files={"image": (name, data)}, data=form)
    assert 200 == reply.status_code
    body: JSONObject = reply.json()
    return body


def status(client: httpx.Client, path: str, body: JSONObject) -> tuple[int, bytes]:
    """Post a body; return status and content of the reply."""
    reply = client.post(path, json=body)
    return reply.status_code, reply.content


def jobs(client: httpx.Client, query: str = "") -> list[tuple[str, str]]:
    """Return the jobs with their status."""
    return [(each["id"], each["status"]) for each in client.get(f"/api/jobs{query}").json()["jobs"]]


def listening(client: httpx.Client, path: str) -> ClientConnection:
    """Connect to the socket."""
    return connect(f"{str(client.base_url).rstrip('/').replace('http', 'ws', 1)}{path}", max_size=None)


def read(ws: Connection) -> JSONObject:
    """Return the next message."""
    message: JSONObject = json.loads(ws.recv(timeout=10))
    return message


def posted_and_gone(client: httpx.Client, body: JSONObject) -> None:
    """Submit a prompt, and hang up without waiting for the reply, as a client does that is killed."""
    address, content = urlsplit(str(client.base_url)), json.dumps(body).encode()
    head = f"POST /prompt HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode() + content)


def told_length(client: httpx.Client, path: str, length: int) -> bytes:
    """Announce a body of *length* bytes, send none; return what the server says at once."""
    address = urlsplit(str(client.base_url))
    head = f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode())
        reply = connection.recv(65536)
        while not reply.endswith(b"exceeded."):
            reply += connection.recv(65536)
    return reply
