"""One attempt at telling a receiver."""

import asyncio

import pytest
from tests.unit.service.webhooks.receiver import Receiver, receiving

from comfypipe.downloads.guard import AddressPolicy
from comfypipe.service.webhooks.sending import Answer, Sender

LANE = ("anna", "http://receiver")
HEADERS = {"webhook-id": "msg_1"}


async def send(receiver: Receiver, path: str = "/hook", *, timeout_s: float = 5.0, times: int = 1) -> Answer:
    """Send to a receiver that the operator allows."""
    sender = Sender(AddressPolicy(frozenset({receiver.url})), timeout_s)
    try:
        for _ in range(times):
            answer = await sender.send(LANE, receiver.url + path, HEADERS, b"{}")
        return answer
    finally:
        await sender.close()


def test_a_receiver_gets_the_bytes_as_json() -> None:
    """Headers and body arrive as they were given, with the type of JSON."""

    async def run() -> None:
        async with receiving("204 No Content") as receiver:
            assert Answer(204) == await send(receiver, "/hook?token=1")
        (received,) = receiver.received
        assert ("/hook?token=1", b"{}") == (received.path, received.body)
        assert ("application/json", "msg_1") == (received.headers["content-type"], received.headers["webhook-id"])
        assert received.headers["user-agent"].startswith("comfypipe/")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("500 Oops", Answer(500, "it answered 500 Oops")),
        ("410 Gone", Answer(410, "it answered 410 Gone")),
        ("503 Busy\r\nRetry-After: 120", Answer(503, "it answered 503 Busy", 120.0)),
        ("429 Slow\r\nRetry-After: later", Answer(429, "it answered 429 Slow")),
    ],
)
def test_only_success_counts(answer: str, expected: Answer) -> None:
    """Every other status is a failure that says what was answered, and for how long the receiver wants to be left."""

    async def run() -> None:
        async with receiving(answer) as receiver:
            assert expected == await send(receiver)

    asyncio.run(run())


def test_a_redirect_is_not_followed() -> None:
    """A receiver cannot send us elsewhere."""

    async def run() -> None:
        async with receiving() as other, receiving(f"302 Found\r\nLocation: {other.url}/") as receiver:
            expected = Answer(302, "it answered 302 a redirect, which is not followed")
            assert expected == await send(receiver)
            assert [] == other.received

    asyncio.run(run())


def test_a_receiver_that_is_silent_is_given_up() -> None:
    """An attempt ends in time, whatever the receiver does not do."""

    async def run() -> None:
        async with receiving(None) as receiver:
            assert Answer(error="no answer within 0 s") == await send(receiver, timeout_s=0.05)

    asyncio.run(run())


def test_a_receiver_that_is_not_there_is_no_answer() -> None:
    """A refused connection is a failure without a status."""

    async def run() -> None:
        async with receiving() as receiver:
            pass
        assert Answer(error="no answer: ConnectError") == await send(receiver)

    asyncio.run(run())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://169.254.169.254/", "ftp://example.org/", "http://[::1]/"]
)
def test_addresses_that_are_not_public_are_refused(url: str) -> None:
    """Without a word from the operator, nothing is sent into the own network; and it is not tried again."""

    async def run() -> Answer:
        sender = Sender(AddressPolicy())
        try:
            return await sender.send(LANE, url, HEADERS, b"{}")
        finally:
            await sender.close()

    answer = asyncio.run(run())
    assert (True, None, False) == (answer.refused, answer.status, answer.delivered)


def test_an_allowed_origin_opens_no_other() -> None:
    """What the operator allows is that scheme, host and port alone."""

    async def run() -> None:
        async with receiving() as allowed, receiving() as other:
            sender = Sender(AddressPolicy(frozenset({allowed.url})))
            answer = await sender.send(LANE, f"{other.url}/", HEADERS, b"{}")
            await sender.close()
            assert answer.refused
            assert (0, []) == (other.connections, other.received)

    asyncio.run(run())


def test_connections_are_used_again_and_opened_anew() -> None:
    """Attempts one after the other share a connection; one that was closed meanwhile is not held against anybody."""

    async def run() -> None:
        async with receiving() as receiver:
            assert Answer(200) == await send(receiver, times=3)
            assert (1, 3) == (receiver.connections, len(receiver.received))
        async with receiving("200 OK\r\nConnection: close") as receiver:
            assert Answer(200) == await send(receiver, times=3)
            assert (3, 3) == (receiver.connections, len(receiver.received))

    asyncio.run(run())
