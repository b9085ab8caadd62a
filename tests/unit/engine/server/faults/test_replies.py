"""Faults of replies: proxies, broken transfers, hostile names, interrupts that are lost."""

from collections.abc import Callable

import httpx
import pytest
from tests.unit.engine.server.client import Gate, ended, post, prompt
from tests.unit.engine.server.faults.conftest import Play

from comfypipe.engine.server.faults.disguise import HOSTILE
from comfypipe.testing import EngineServer

ClientOf = Callable[[EngineServer], httpx.Client]


def test_bad_gateway(play: Play, client_of: ClientOf) -> None:
    """An HTML page where JSON is expected, for the paths that were named, with or without /api."""
    client = client_of(play("bad-gateway=path:/history,first:2,status:503,retry_after:2"))
    assert 200 == client.get("/queue").status_code
    for path in ("/history", "/api/history/x"):
        reply = client.get(path)
        assert (503, "text/html; charset=utf-8", "2") == (
            reply.status_code,
            reply.headers["content-type"],
            reply.headers["retry-after"],
        )
    assert {} == client.get("/history").json()


def test_truncated_body(play: Play, client_of: ClientOf) -> None:
    """The length of the whole is told, half of it comes."""
    client = client_of(play("truncated-body=path:/view"))
    (file,) = ended(client, post(client, prompt(345))["prompt_id"])["outputs"]["2"]["texts"]
    with pytest.raises(httpx.RemoteProtocolError, match="1 bytes, expected 3"):
        client.get("/view", params=file)
    assert b"345" == client.get("/view", params=file).content


def test_hostile_names(play: Play, client_of: ClientOf) -> None:
    """One hostile name after the other; the server gives the file under it, as one that means harm would."""
    client = client_of(play("hostile-names=always"))
    for value, name in enumerate(HOSTILE):
        (file,) = ended(client, post(client, prompt(value))["prompt_id"])["outputs"]["2"]["texts"]
        assert {"filename": name, "subfolder": "", "type": "output"} == file
        if name:
            assert str(value) == client.get("/view", params=file).text


def test_a_hostile_name_of_ones_own(play: Play, client_of: ClientOf) -> None:
    """Taken as it is."""
    client = client_of(play("hostile-names=name:../x.png"))
    entry = ended(client, post(client, prompt(1))["prompt_id"])
    assert "../x.png" == entry["outputs"]["2"]["texts"][0]["filename"]


def test_lost_interrupt(play: Play, client_of: ClientOf, gate: Gate) -> None:
    """The first is answered and does nothing, the second stops the run."""
    client = client_of(play("lost-interrupt"))
    prompt_id = post(client, prompt(1, through="Gate"))["prompt_id"]
    assert gate.entered.wait(10)
    assert 200 == client.post("/interrupt", json={"prompt_id": prompt_id}).status_code
    assert prompt_id == client.get("/queue").json()["queue_running"][0][1]
    client.post("/interrupt", json={"prompt_id": prompt_id})
    messages = [kind for kind, _ in ended(client, prompt_id)["status"]["messages"]]
    assert "execution_interrupted" == messages[-1]


def test_interrupts_long_after_the_post_are_not_lost(play: Play, client_of: ClientOf, gate: Gate) -> None:
    """With ``ms``, only those that come straight after."""
    server = play("lost-interrupt=always,ms:1")
    client = client_of(server)
    prompt_id = post(client, prompt(1, through="Gate"))["prompt_id"]
    assert gate.entered.wait(10)
    while not client.get(f"/history/{prompt_id}").json():
        client.post("/interrupt")
    assert server.faults.struck("lost-interrupt") <= 1
