"""Webhooks of a running service, as receivers get them."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook
from tests.service.client import Client, client_of, served
from tests.service.hosting import Delivery, taking
from tests.service.materials import picture_prompt
from tests.service.process import serve_process
from tests.service.tenants import make_key

from comfypipe.service.settings import ServiceSettings
from comfypipe.webhooks import WebhookInvalid, verify


def statuses(deliveries: list[Delivery]) -> list[str]:
    """Return the status of the run that each delivery tells."""
    return [json.loads(each.body)["status"] for each in deliveries]


def eventually(read: Callable[[], Any], expected: Any, *, within_s: float = 20.0) -> None:
    """Read until it is as expected."""
    deadline = time.monotonic() + within_s
    while (found := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert expected == found


def states(client: Client) -> list[str]:
    """Return the states of a tenant's events, newest first."""
    return [each["state"] for each in client.http.get("/webhooks/events").json()]


def test_a_run_is_told_when_it_starts_and_when_it_ends(tmp_path: Path) -> None:
    """The receiver gets the run object twice, signed so that two other implementations and our own accept it."""
    with taking() as receiver:
        settings = ServiceSettings(tmp_path / "data", allow_origins=frozenset({receiver.origin}))
        with served(settings, make_key(settings, "anna")) as client:
            old = client.http.post("/webhooks/secrets").json()["secret"]
            new = client.http.post("/webhooks/secrets", json={"overlap_s": 60}).json()["secret"]
            run = client.run({"prompt": picture_prompt(), "webhook": f"{receiver.origin}/hook"})
            deliveries = receiver.wait_for(2)
            assert client.get(run["id"]) == json.loads(deliveries[1].body)
    assert ["STARTED", "COMPLETED"] == statuses(deliveries)
    for each in deliveries:
        for secret in (old, new):
            payload = verify(each.body, each.headers, secret)
            assert payload == StandardWebhook(secret).verify(each.body, each.headers)
            SvixWebhook(secret).verify(each.body, each.headers)
        with pytest.raises(WebhookInvalid):
            verify(each.body + b" ", each.headers, [old, new])


def test_a_failed_run_is_told(tmp_path: Path) -> None:
    """A run that fails is told as it is read: with the error in place of the output."""
    with taking() as receiver:
        settings = ServiceSettings(tmp_path / "data", authenticate=False, allow_origins=frozenset({receiver.origin}))
        with served(settings) as client:
            prompt = {"1": {"class_type": "NoSuchNode", "inputs": {}}}
            run = client.run({"prompt": prompt, "webhook": f"{receiver.origin}/hook"})
            eventually(lambda: statuses(receiver.deliveries)[-1:], ["ERROR"])
            assert client.get(run["id"]) == json.loads(receiver.deliveries[-1].body)


def test_a_receiver_that_is_gone_and_comes_back(tmp_path: Path) -> None:
    """410 switches its URL off; enabled and replayed, it gets what it missed under the same ids."""
    with taking() as receiver:
        hook = f"{receiver.origin}/hook"
        receiver.answers["/hook"] = 410
        settings = ServiceSettings(tmp_path / "data", allow_origins=frozenset({receiver.origin}))
        with served(settings, make_key(settings, "anna")) as client:
            client.run({"prompt": picture_prompt(), "webhook": hook})
            eventually(lambda: states(client), ["disabled", "disabled"])
            assert [(hook, "gone")] == [
                (each["url"], each["reason"]) for each in client.http.get("/webhooks/urls").json()
            ]
            refused = [each.headers["webhook-id"] for each in receiver.deliveries]
            del receiver.answers["/hook"]
            assert 204 == client.http.post("/webhooks/urls/enable", json={"url": hook}).status_code
            ids = [each["id"] for each in client.http.get("/webhooks/events").json()]
            for each in ids:
                assert 202 == client.http.post(f"/webhooks/events/{each}/replay").status_code
            eventually(lambda: states(client), ["delivered", "delivered"])
            assert set(ids) == {each.headers["webhook-id"] for each in receiver.deliveries} >= set(refused)
            details = client.http.get(f"/webhooks/events/{refused[0]}").json()
            assert [410, 200] == [each["status"] for each in details["attempts"]]


def test_what_failed_is_told_again_by_the_next_process(tmp_path: Path) -> None:
    """A receiver that fails is told again after five seconds, the same under the same id, though we were killed."""
    with taking() as receiver:
        receiver.answers["/hook"] = 500
        with serve_process(tmp_path / "data", "--no-auth", "--allow-origin", receiver.origin) as service:
            with client_of(service.url) as client:
                client.run({"prompt": picture_prompt(), "webhook": f"{receiver.origin}/hook"})
                first = receiver.wait_for(2)
            service.kill()
            del receiver.answers["/hook"]
            service.start()
            with client_of(service.url) as client:
                eventually(lambda: states(client), ["delivered", "delivered"])
        told = {each.headers["webhook-id"]: each.body for each in receiver.deliveries}
        assert 2 == len(told)
        assert {each.headers["webhook-id"]: each.body for each in first} == told


@pytest.mark.slow
def test_killed_again_and_again_everything_is_told(tmp_path: Path) -> None:
    """Whenever the service is killed, every run that it took is told to have started and ended, under one id each."""
    chance = random.Random(7)  # noqa: S311  the same moments every time
    with taking() as receiver:
        taken: list[str] = []
        with serve_process(tmp_path / "data", "--no-auth", "--allow-origin", receiver.origin) as service:
            for cycle in range(8):
                with client_of(service.url) as client:
                    for number in range(4):
                        body = {"prompt": picture_prompt(cycle * 16 + number), "webhook": f"{receiver.origin}/hook"}
                        taken.append(client.start(body))
                    time.sleep(chance.uniform(0, 0.4))
                service.kill()
                service.start()
            with client_of(service.url) as client:
                for each in taken:
                    assert "COMPLETED" == client.end(each)["status"]
                eventually(lambda: set(states(client)), {"delivered"})
                events = client.http.get("/webhooks/events", params={"limit": 1000}).json()
        assert {(run, event) for run in taken for event in ("run.started", "run.completed")} == {
            (each["run_id"], each["event"]) for each in events
        }
        told: dict[str, set[bytes]] = {}
        for delivery in receiver.deliveries:
            told.setdefault(delivery.headers["webhook-id"], set()).add(delivery.body)
        assert {each["id"] for each in events} == set(told)
        assert {1} == {len(bodies) for bodies in told.values()}
