"""What is secret is told once, and stands nowhere."""

import base64
from pathlib import Path

import httpx
from tests.service.client import client_of
from tests.service.hosting import taking
from tests.service.materials import picture_prompt
from tests.service.process import serve_process
from tests.service.tenants import make_key

from comfypipe.service.settings import ServiceSettings


def test_keys_and_secrets_are_found_nowhere(tmp_path: Path) -> None:
    """An API key and a webhook's secret: not on the disk, nor in logs, errors, replies or deliveries."""
    data = tmp_path / "data"
    replies: list[httpx.Response] = []

    def keep(reply: httpx.Response) -> None:
        reply.read()
        replies.append(reply)

    with taking() as receiver:
        key = make_key(ServiceSettings(data), "anna")
        receiver.answers["/failing"] = 500
        with serve_process(data, "--allow-origin", receiver.origin) as service:
            with client_of(service.url, key) as client:
                client.http.event_hooks["response"].append(keep)
                secret = client.http.post("/webhooks/secrets").json()["secret"]
                replies.clear()
                for path in ("/hook", "/failing"):
                    client.run({"prompt": picture_prompt(), "webhook": f"{receiver.origin}{path}"})
                client.run({"prompt": {"1": {"class_type": "NoSuchNode", "inputs": {}}}})
                receiver.wait_for(4)
                for path in ("/webhooks/secrets", "/webhooks/events", "/workflows", "/workflows/w/runs", "/nothing"):
                    client.http.get(path)
                client.http.post("/workflows/w/runs", content=b"{", headers={"Content-Type": "application/json"})
                client.http.post("/webhooks/secrets", json={"overlap_s": secret})
                client.http.get("/webhooks/events", headers={"Authorization": f"Bearer {key}x"})
                client.http.get("/webhooks/events", headers={"Authorization": key})
            service.kill()  # leaves on the disk whatever there was
    canaries = [key.encode(), key.split("_")[2].encode(), secret.encode(), secret.removeprefix("whsec_").encode()]
    canaries.append(base64.b64decode(secret.removeprefix("whsec_")))
    places = {str(path): path.read_bytes() for path in data.rglob("*") if path.is_file()}
    places["log"] = service.said.encode()
    places |= {f"reply {number}": each.content + repr(each.headers).encode() for number, each in enumerate(replies)}
    places |= {
        f"delivery {number}": each.body + repr(each.headers).encode() for number, each in enumerate(receiver.deliveries)
    }
    assert len(places) > 20
    assert [] == [name for name, content in places.items() if any(canary in content for canary in canaries)]
