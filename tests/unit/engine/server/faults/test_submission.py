"""Faults of ``POST /prompt``: what the client sees, and what really happened."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest
from tests.unit.engine.server.client import ended, node, post, prompt
from tests.unit.engine.server.faults.conftest import Play

from comfypipe.testing import EngineServer

ClientOf = Callable[[EngineServer], httpx.Client]


def test_lost_reply(play: Play, client_of: ClientOf) -> None:
    """The connection closes with no reply, and the prompt runs, once."""
    server = play("lost-reply")
    client, prompt_id = client_of(server), str(uuid4())
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/prompt", json={"prompt": prompt(3), "prompt_id": prompt_id})
    assert "success" == ended(client, prompt_id)["status"]["status_str"]
    assert 1 == server.times_executed(prompt(3))
    post(client, prompt(4))


def test_lost_request(play: Play, client_of: ClientOf) -> None:
    """The connection closes with no reply, and nothing is queued."""
    server = play("lost-request")
    client = client_of(server)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/prompt", json={"prompt": prompt(3)})
    ended(client, post(client, prompt(4))["prompt_id"])
    assert [0, 1] == [server.times_executed(prompt(value)) for value in (3, 4)]


def test_late_queue(play: Play, client_of: ClientOf) -> None:
    """The connection closes at once; the prompt is queued later."""
    client, prompt_id = client_of(play("late-queue=ms:50")), str(uuid4())
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/prompt", json={"prompt": prompt(3), "prompt_id": prompt_id})
    assert {"queue_running": [], "queue_pending": []} == client.get("/queue").json()
    assert "success" == ended(client, prompt_id)["status"]["status_str"]


def test_queued_500(play: Play, client_of: ClientOf) -> None:
    """A 500 like ComfyUI's, for a prompt that runs; the next is answered."""
    client, prompt_id = client_of(play("queued-500")), str(uuid4())
    reply = client.post("/prompt", json={"prompt": prompt(3), "prompt_id": prompt_id})
    assert (500, "500 Internal Server Error\n\nServer got itself in trouble") == (reply.status_code, reply.text)
    assert "success" == ended(client, prompt_id)["status"]["status_str"]
    post(client, prompt(4))


def test_duplicated_id(play: Play, client_of: ClientOf) -> None:
    """One request, two executions; also what every server does when it is posted to twice."""
    server = play("duplicated-id")
    client, prompt_id = client_of(server), str(uuid4())
    post(client, prompt(3), prompt_id=prompt_id)
    ended(client, post(client, prompt(4))["prompt_id"])
    assert 2 == server.executions.by_prompt_id()[prompt_id] == server.times_executed(prompt(3))
    post(client, prompt(3), prompt_id=prompt_id)
    ended(client, post(client, prompt(5))["prompt_id"])
    assert 3 == server.executions.by_prompt_id()[prompt_id]


def test_dropped_output(play: Play, client_of: ClientOf) -> None:
    """A 200 that names the last output as refused; the others run."""
    client = client_of(play("dropped-output"))
    reply = post(client, prompt(3) | {"3": node("Save", value=["1", 0], prefix="m")})
    assert ["3"] == list(reply["node_errors"])
    assert ["2"] == list(ended(client, reply["prompt_id"])["outputs"])


def test_strict_ids(play: Play, client_of: ClientOf) -> None:
    """Newer servers want canonical ids."""
    client = client_of(play("strict-ids"))
    for odd in ("tie", str(uuid4()).upper(), uuid4().hex):
        reply = client.post("/prompt", json={"prompt": prompt(3), "prompt_id": odd})
        assert (400, "invalid_prompt_id") == (reply.status_code, reply.json()["error"]["type"])
    post(client, prompt(3), prompt_id=str(uuid4()))


def test_recursion_limit(play: Play, client_of: ClientOf) -> None:
    """A long chain fails validation with a recursion error, a short one does not."""
    client = client_of(play("recursion-limit=nodes:3"))
    chain = {str(each): node("Preview", value=[str(each - 1), 0]) for each in range(2, 5)}
    end = node("Save", value=["4", 0], prefix="n")
    reply = client.post("/prompt", json={"prompt": {"1": node("Number", value=1), **chain, "5": end}})
    assert 400 == reply.status_code
    (errors,) = [each["errors"] for each in reply.json()["node_errors"].values()]
    assert "RecursionError" == errors[0]["extra_info"]["exception_type"]
    post(client, prompt(3))


def test_only_the_prompts_that_match(play: Play, client_of: ClientOf) -> None:
    """Others pass."""
    client = client_of(play('queued-500=always,match:"value":7'))
    statuses = [
        client.post(
            "/prompt", content=f'{{"prompt":{{"1":{{"class_type":"Save","inputs":{{"value":{value},"prefix":"p"}}}}}}}}'
        )
        for value in (6, 7, 7, 8)
    ]
    assert [200, 500, 500, 200] == [each.status_code for each in statuses]
