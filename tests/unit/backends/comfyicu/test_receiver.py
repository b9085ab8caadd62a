"""The receiver of webhooks."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping

import pytest

from comfypipe.backends.comfyicu.receiver import WebhookReceiver
from comfypipe.errors import BackendUnavailable
from comfypipe.webhooks import signed_headers

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = json.dumps({"id": "run-1", "status": "COMPLETED"}).encode()


def deliver(request: bytes, secret: str | None = None) -> tuple[int, list[str]]:
    """Send bytes to a receiver; returns the status of its answer, and of which runs it heard."""

    async def work() -> tuple[int, list[str]]:
        heard: list[str] = []
        receiver = WebhookReceiver("https://hook.example/hooks/runs", "127.0.0.1:0", secret=secret)
        await receiver.open(heard.append)
        await receiver.open(heard.append)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
            writer.write(request)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return int(answer.split()[1]), heard
        finally:
            await receiver.close()

    return asyncio.run(work())


def post(body: bytes = BODY, path: str = "/hooks/runs", headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: hook.example", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def signed(body: bytes) -> dict[str, str]:
    """Return the headers of a signed delivery."""
    return signed_headers(body, [SECRET], webhook_id="msg_1", timestamp=int(time.time()))


@pytest.mark.parametrize(
    ("request_bytes", "secret", "expected"),
    [
        (post(), None, (200, ["run-1"])),
        (post(path="/hooks/runs?token=1"), None, (200, ["run-1"])),
        (post(), SECRET, (400, [])),
        (post(path="/other"), None, (404, [])),
        (post(b"not json"), None, (400, [])),
        (post(b"[]"), None, (400, [])),
        (b"GET /hooks/runs HTTP/1.1\r\nHost: x\r\n\r\n", None, (405, [])),
        (b"POST /hooks/runs HTTP/1.1\r\nHost: x\r\n\r\n", None, (400, [])),
        (b"POST /hooks/runs HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", None, (413, [])),
        (b"POST /hooks/runs HTTP/1.1\r\nX: " + b"a" * 100_000, None, (413, [])),
    ],
)
def test_deliveries(request_bytes: bytes, secret: str | None, expected: tuple[int, list[str]]) -> None:
    """What is a delivery wakes who waits for its run; everything else is refused, and does nothing."""
    assert expected == deliver(request_bytes, secret)


@pytest.mark.parametrize(("signs", "expected"), [(BODY, (200, ["run-1"])), (b"{}", (400, []))])
def test_signed_deliveries(signs: bytes, expected: tuple[int, list[str]]) -> None:
    """A signature of the very bytes is taken, one of others is not."""
    assert expected == deliver(post(headers=signed(signs)), SECRET)


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "host.invalid:1", "127.0.0.1"])
def test_an_address_that_cannot_be_had_is_named(listen: str) -> None:
    """With an example of one that can."""
    with pytest.raises(BackendUnavailable, match="cannot listen"):
        asyncio.run(WebhookReceiver("https://hook.example/", listen).open(lambda _: None))
