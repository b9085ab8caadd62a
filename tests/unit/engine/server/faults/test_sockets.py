"""Faults of ``/ws``."""

import base64
import json
import socket
from collections.abc import Callable

import httpx
import pytest
from tests.unit.engine.server.client import ended, listening, post, prompt, read
from tests.unit.engine.server.faults.conftest import Play
from websockets.exceptions import ConnectionClosedError
from websockets.sync.connection import Connection

from comfypipe.testing import EngineServer

ClientOf = Callable[[EngineServer], httpx.Client]


def test_silent_socket(play: Play, client_of: ClientOf) -> None:
    """It opens, and nothing ever comes; the next one is told everything."""
    client = client_of(play("silent-socket"))
    with listening(client, "/ws?clientId=me") as silent, listening(client, "/ws?clientId=you") as other:
        assert "status" == read(other)["type"]
        ended(client, post(client, prompt(3), client_id="me")["prompt_id"])
        with pytest.raises(TimeoutError):
            silent.recv(timeout=0.05)


def test_closed_socket(play: Play, client_of: ClientOf) -> None:
    """It breaks when the first node starts; the run goes on, and a new socket works."""
    client = client_of(play("closed-socket"))
    with listening(client, "/ws?clientId=me") as ws:
        prompt_id = post(client, prompt(3), client_id="me")["prompt_id"]
        with pytest.raises(ConnectionClosedError):
            drain(ws, "execution_success")
    assert "success" == ended(client, prompt_id)["status"]["status_str"]
    with listening(client, "/ws?clientId=me") as ws:
        assert "status" == read(ws)["type"]


def test_silenced_client(play: Play, client_of: ClientOf) -> None:
    """Two sockets of one client: closing the old one silences the new one for good."""
    client = client_of(play("silenced-client"))
    with listening(client, "/ws?clientId=me") as old:
        read(old)
        new = listening(client, "/ws?clientId=me")
        read(new)
    with new, listening(client, "/ws?clientId=you") as other:
        read(other)
        ended(client, post(client, prompt(3), client_id="me")["prompt_id"])
        assert "status" == read(other)["type"]
        with pytest.raises(TimeoutError):
            new.recv(timeout=0.05)


def test_expanded_nodes(play: Play, client_of: ClientOf) -> None:
    """Ids such as ``2.0.0.1``, which the messages and the history map back."""
    client = client_of(play("expanded-nodes"))
    with listening(client, "/ws?clientId=me") as ws:
        read(ws)
        prompt_id = post(client, prompt(3), client_id="me")["prompt_id"]
        nodes = []
        while (message := read(ws))["data"] != {"node": None, "prompt_id": prompt_id}:
            if message["type"] in ("executing", "executed"):
                nodes.append((message["data"]["node"], message["data"]["display_node"]))
    assert [("1.0.0.1", "1"), ("2.0.0.1", "2"), ("2.0.0.1", "2")] == nodes
    entry = ended(client, prompt_id)
    assert (["2.0.0.1"], "2") == (list(entry["outputs"]), entry["meta"]["2.0.0.1"]["display_node"])


def test_stalled_clients(play: Play, client_of: ClientOf) -> None:
    """One that does not read holds up the others, until it goes."""
    client = client_of(play("stalled-clients"))
    with deaf_socket(client, "lazy") as lazy, listening(client, "/ws?clientId=other") as other:
        assert "status" == read(other)["type"]
        long_id = "x" * 4_000_000  # stands in every message
        post(client, prompt(3), client_id="lazy", prompt_id=long_id)
        ended(client, post(client, prompt(4), client_id="other")["prompt_id"])
        with pytest.raises(TimeoutError):
            drain(other, "execution_success")
        lazy.close()
        drain(other, "execution_success")


def drain(ws: Connection, kind: str) -> None:
    """Read up to a message of some kind; they come without a pause."""
    while json.loads(ws.recv(timeout=0.5))["type"] != kind:
        pass


def deaf_socket(client: httpx.Client, client_id: str) -> socket.socket:
    """Connect to the socket as a client that never reads."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect((client.base_url.host, client.base_url.port))
    key = base64.b64encode(bytes(16)).decode()
    lines = (
        f"GET /ws?clientId={client_id} HTTP/1.1",
        f"Host: {client.base_url.netloc.decode()}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    )
    made.sendall("".join(f"{each}\r\n" for each in (*lines, "")).encode())
    return made
