"""``/ws``: what clients are told."""

import json

import httpx
import pytest
from tests.unit.engine.server.client import Gate, ended, listening, post, prompt, read


def test_socket_tells_the_client_in_order(client: httpx.Client) -> None:
    """Status with id, features, status, the run, status, and the end."""
    with listening(client, "/ws?clientId=me") as ws:
        assert {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"}} == read(ws)
        ws.send('{"type": "feature_flags", "data": {"supports_preview_metadata": true}}')
        assert "feature_flags" == read(ws)["type"]
        prompt_id = post(client, prompt(3), client_id="me")["prompt_id"]
        kinds = []
        while (message := read(ws))["data"] != {"node": None, "prompt_id": prompt_id}:
            kinds.append(message["type"])
    node_kinds = ["progress_state", "executing", "progress_state"]
    assert [
        "status",
        "status",
        "execution_start",
        "execution_cached",
        *node_kinds,
        "progress_state",
        "executing",
        "executed",
        "progress_state",
        "execution_success",
        "status",
    ] == kinds


def test_others_hear_of_the_queue_only(client: httpx.Client) -> None:
    """Messages about a run go to the client that submitted it."""
    with listening(client, "/api/ws?clientId=other") as ws:
        read(ws)
        ended(client, post(client, prompt(3), client_id="me")["prompt_id"])
        assert {"status"} == {read(ws)["type"] for _ in range(3)}


def test_without_client_id_progress_goes_to_all(client: httpx.Client) -> None:
    """And nothing else about the run."""
    with listening(client, "/ws") as ws:
        assert 32 == len(read(ws)["data"]["sid"])
        ended(client, post(client, prompt(3))["prompt_id"])
        kinds = [read(ws)["type"] for _ in range(7)]
        assert ["status", "status", *["progress_state"] * 4, "status"] == kinds


def test_reconnecting_client_is_told_what_runs(client: httpx.Client, gate: Gate) -> None:
    """Only the node that runs; what was told before is not told again."""
    post(client, prompt(1, through="Gate"), client_id="me")
    assert gate.entered.wait(10)
    with listening(client, "/ws?clientId=me") as ws:
        assert 1 == read(ws)["data"]["status"]["exec_info"]["queue_remaining"]
        assert {"type": "executing", "data": {"node": "t"}} == read(ws)


def test_odd_first_messages_are_passed_over(client: httpx.Client) -> None:
    """Text that is no JSON, bytes, other types: the socket stays open."""
    for odd in ("no json", "[]", '{"type": "other"}', '{"type": "feature_flags", "data": 5}'):
        with listening(client, "/ws?clientId=me") as ws:
            read(ws)
            ws.send(odd)
            ws.send(b"\x00")
            client.post("/queue", json={"clear": True})
            while read(ws)["type"] != "status":
                pass


@pytest.mark.parametrize("metadata", [True, False])
def test_previews_and_texts_are_binary(client: httpx.Client, metadata: bool) -> None:
    """Each client gets previews in the form that it reads."""
    with listening(client, "/ws?clientId=me") as ws:
        read(ws)
        ws.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": metadata}}))
        read(ws)
        post(client, prompt(3, through="Preview"), client_id="me")
        frames: list[bytes] = []
        while b'"node":null' not in (frame := ws.recv(timeout=10, decode=False)):
            if not frame.startswith(b"{"):
                frames.append(frame)
    head = b"\x00\x00\x00\x04" if metadata else b"\x00\x00\x00\x01\x00\x00\x00\x02"
    assert head == frames[0][: len(head)]
    assert frames[0].endswith(b"\x89PNG picture")
    assert b"\x00\x00\x00\x03\x00\x00\x00\x01tseen" == frames[1]
