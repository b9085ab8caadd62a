"""``/history``."""

import httpx
from tests.unit.engine.server.client import ended, post, prompt


def test_history_pages(client: httpx.Client) -> None:
    """The last ones, a page, all; one or all are forgotten."""
    ids = [post(client, prompt(number))["prompt_id"] for number in range(5)]
    ended(client, ids[-1])
    assert ids == list(client.get("/history").json())
    assert ids[-2:] == list(client.get("/history?max_items=2").json())
    assert ids[1:3] == list(client.get("/history?max_items=2&offset=1").json())
    client.post("/history", json={"delete": [ids[0], "unknown"]})
    assert ids[1:] == list(client.get("/history").json())
    client.post("/history", json={"clear": True})
    assert {} == client.get("/history").json()
