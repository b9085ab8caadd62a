"""``/queue`` and ``/interrupt``."""

import httpx
from tests.unit.engine.server.client import Gate, ended, post, prompt, status


def test_queue_shows_what_runs_and_what_waits_in_order(client: httpx.Client, gate: Gate) -> None:
    """By number; ``front`` goes before all, the latest first."""
    first = post(client, prompt(1, through="Gate"), prompt_id="running")
    assert gate.entered.wait(10)
    post(client, prompt(2), prompt_id="second")
    post(client, prompt(3), prompt_id="urgent", front=True)
    post(client, prompt(4), prompt_id="most urgent", front=True)
    post(client, prompt(5), prompt_id="numbered", number=0.5)
    queue = client.get("/queue").json()
    assert [[0, "running", prompt(1, through="Gate"), {}, ["2"]]] == queue["queue_running"]
    assert [[-3, "most urgent"], [-2, "urgent"], [0.5, "numbered"], [1, "second"]] == [
        each[:2] for each in queue["queue_pending"]
    ]
    assert {"exec_info": {"queue_remaining": 5}} == client.get("/prompt").json()
    assert {} == client.get(f"/history/{first['prompt_id']}").json()


def test_waiting_prompts_are_deleted(client: httpx.Client, gate: Gate) -> None:
    """One, or all; what runs goes on, and a deleted one never gets a history entry."""
    running = post(client, prompt(1, through="Gate"))["prompt_id"]
    waiting = [post(client, prompt(number))["prompt_id"] for number in (2, 3, 4)]
    assert gate.entered.wait(10)
    assert (200, b"") == status(client, "/queue", {"delete": [waiting[0], "unknown", running]})
    assert waiting[1:] == [each[1] for each in client.get("/queue").json()["queue_pending"]]
    assert (200, b"") == status(client, "/queue", {"clear": True})
    assert [] == client.get("/queue").json()["queue_pending"]
    gate.opened.set()
    assert "success" == ended(client, running)["status"]["status_str"]
    assert {running} == set(client.get("/history").json())


def test_interrupt_stops_what_runs(client: httpx.Client, gate: Gate) -> None:
    """With the id of another nothing happens; with its own, or with none, it stops."""
    for body in ({"prompt_id": "stop"}, {}):
        gate.entered.clear()
        post(client, prompt(1, through="Gate"), prompt_id="stop")
        assert gate.entered.wait(10)
        assert (200, b"") == status(client, "/interrupt", {"prompt_id": "another"})
        assert [] == client.get("/queue").json()["queue_pending"]
        assert (200, b"") == status(client, "/interrupt", body)
        entry = ended(client, "stop")
        assert ("error", "execution_interrupted") == (
            entry["status"]["status_str"],
            entry["status"]["messages"][-1][0],
        )
        client.post("/history", json={"delete": ["stop"]})


def test_interrupt_without_a_body(client: httpx.Client) -> None:
    """It is global, and no error where nothing runs."""
    assert 200 == client.post("/interrupt").status_code
