"""Bodies that are refused before they are in memory."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from comfypipe.service import bodies
from comfypipe.service.bodies import Admit, BodyLimits
from comfypipe.service.errors import Problem

MOST = 1000


class Echo:
    """An application that answers how many bytes it was given; it counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(size).encode()})


def ask(
    parts: list[bytes],
    *,
    declared: str | None = None,
    path: str = "/",
    most_bytes: int = MOST,
    admit: Admit | None = None,
) -> tuple[list[Message], int, int]:
    """Return what is answered, how often the application was called, and how many messages were received."""
    echo, received, sent = Echo(), 0, []
    limits = BodyLimits(echo, most_bytes=most_bytes, streams=lambda scope: scope["path"] == "/uploads", admit=admit)

    def messages() -> Iterator[Message]:
        for index, part in enumerate(parts):
            yield {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
        while True:
            yield {"type": "http.disconnect"}

    coming = messages()

    async def receive() -> Message:
        nonlocal received
        received += 1
        return next(coming)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if declared is None else [(b"content-length", declared.encode("latin-1"))]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    asyncio.run(limits(scope, receive, send))
    return sent, echo.calls, received


def status(sent: list[Message]) -> int:
    """Return the status that was sent."""
    found: int = sent[0]["status"]
    return found


def body(sent: list[Message]) -> Any:
    """Return the JSON that was sent."""
    return json.loads(b"".join(each.get("body", b"") for each in sent[1:]))


@pytest.mark.parametrize("parts", [[b""], [b"x" * MOST], [b"x"] * MOST, [b"", b"x", b""]])
def test_a_body_within_the_limit_is_passed_on(parts: list[bytes]) -> None:
    """In one piece or in many, the application gets what came."""
    sent, calls, _ = ask(parts)
    assert (200, len(b"".join(parts)), 1) == (status(sent), body(sent), calls)


def test_what_comes_in_pieces_is_refused_when_it_is_too_much() -> None:
    """A chunked body over the limit is answered with 413 and never reaches the application."""
    sent, calls, _ = ask([b"x" * 400] * 5)
    assert (413, 0) == (status(sent), calls)
    assert {"error": "too-large", "message": f"the body is too large: at most {MOST} bytes are taken"} == body(sent)
    assert (b"connection", b"close") in sent[0]["headers"]


@pytest.mark.parametrize("declared", [str(MOST + 1), "9" * 5000, "-1", "²", "many"])
def test_what_is_declared_too_large_is_refused_unread(declared: str) -> None:
    """The answer stands before anything of the body was read."""
    sent, calls, received = ask([b"x" * 100] * 3, declared=declared)
    assert (413, 0) == (status(sent), calls)
    assert 3 == received  # let the client finish


def test_routes_that_stream_are_left_alone() -> None:
    """An upload is passed through piece by piece."""
    sent, calls, received = ask([b"x" * 600] * 3, path="/uploads")
    assert (200, 1800, 1, 3) == (status(sent), body(sent), calls, received)


def test_a_client_that_goes_gets_no_answer() -> None:
    """Half a body is not passed on."""
    sent, calls, _ = ask([])
    assert ([], 0) == (sent, calls)


def test_large_bodies_take_turns() -> None:
    """Of many large bodies at once, one is read beyond its beginning."""
    most, part = 1024 * 1024, b"x" * 65536
    open_, reading = asyncio.Event(), []
    limits = BodyLimits(Echo(), most_bytes=most, streams=lambda _: False)

    async def request(number: int) -> None:
        count = 0

        async def receive() -> Message:
            nonlocal count
            count += 1
            if count == 3:  # more than a small body
                reading.append(number)
                await open_.wait()
            return {"type": "http.request", "body": part, "more_body": count < 6}

        async def send(_message: Message) -> None:
            pass

        await limits({"type": "http", "path": "/", "headers": []}, receive, send)

    async def run() -> int:
        tasks = [asyncio.create_task(request(number)) for number in range(10)]
        for _ in range(100):
            await asyncio.sleep(0)
        at_once = len(reading)
        open_.set()
        await asyncio.gather(*tasks)
        return at_once

    assert 1 == asyncio.run(run())
    assert 10 == len(reading)


def test_whoever_is_not_admitted_gets_no_turn() -> None:
    """Small bodies are read first, and judged by the route; larger ones only of those who may send them."""

    async def admit(_scope: Scope) -> None:
        raise Problem(401, "unauthorized", "no")

    for parts, expected in ([b"x" * 60_000], 200), ([b"x" * 60_000] * 3, 401):
        sent, _, _ = ask(parts, most_bytes=1_000_000, admit=admit)
        assert expected == status(sent)


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stops in the middle is answered 408."""
    monkeypatch.setattr(bodies, "READ_S", 0.01)
    monkeypatch.setattr(bodies, "_DRAINED_S", 0.01)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    limits = BodyLimits(Echo(), most_bytes=MOST, streams=lambda _: False)
    asyncio.run(limits({"type": "http", "path": "/", "headers": []}, receive, send))
    assert 408 == status(sent)
