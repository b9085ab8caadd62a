"""What the outbox holds is delivered, whatever happens."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from tests.unit.service.webhooks.receiver import Receiver, receiving, until

from comfypipe.downloads.guard import AddressPolicy
from comfypipe.service.migrations import SERVICE
from comfypipe.service.times import now_ms
from comfypipe.service.webhooks import attempts, outbox, secrets, urls
from comfypipe.service.webhooks.attempts import Attempt
from comfypipe.service.webhooks.deliverer import Deliverer
from comfypipe.service.webhooks.outbox import Event
from comfypipe.service.webhooks.queue import LANE_MOST, SLOW_LANE_MOST
from comfypipe.service.webhooks.secrets import SigningKey
from comfypipe.store.connection import Connection
from comfypipe.store.worker import DatabaseWorker
from comfypipe.webhooks import verify

KEY = SigningKey(b"k" * 32)


@dataclass
class Outbox:
    """An outbox with its deliverer."""

    worker: DatabaseWorker
    deliverer: Deliverer

    async def add(self, url: str, *runs: str, event: str = "run.completed", tenant: str = "anna") -> list[str]:
        """Store events for a receiver and wake the deliverer."""
        body = json.dumps({"status": "COMPLETED"}).encode()
        ids = await self.worker.write(
            lambda connection: [outbox.enqueue(connection, tenant, run, event, url, body) for run in runs]
        )
        self.deliverer.wake()
        return ids

    async def secret(self, *, overlap_ms: int = 0) -> str:
        """Make a secret."""
        now = now_ms()
        text, _ = await self.worker.write(
            lambda connection: secrets.rotate(connection, KEY, "anna", overlap_ms=overlap_ms, now_ms=now)
        )
        return text

    async def ended(self, webhook_id: str) -> Event:
        """Return an event once it is not pending any more, or has been tried."""
        async with asyncio.timeout(10):
            while True:
                found = await self.worker.read(lambda connection: outbox.find(connection, webhook_id))
                assert found is not None
                if found.state != outbox.PENDING or found.tries:
                    return found

    async def log(self, webhook_id: str) -> list[Attempt]:
        """Return an event's attempts."""
        return await self.worker.read(lambda connection: attempts.logged(connection, webhook_id))


@asynccontextmanager
async def delivering(folder: Path, *receivers: Receiver, timeout_s: float = 5.0) -> AsyncIterator[Outbox]:
    """Deliver from the database in a folder, while the block lasts."""
    worker = DatabaseWorker(folder / "service.sqlite3", SERVICE)
    policy = AddressPolicy(frozenset(each.url for each in receivers))
    deliverer = Deliverer(worker, policy, KEY, timeout_s=timeout_s)
    task = asyncio.create_task(deliverer.run())
    try:
        yield Outbox(worker, deliverer)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await worker.close()


def test_an_event_is_delivered_signed_and_logged(tmp_path: Path) -> None:
    """The receiver gets the bytes, with signatures that verify; the log says so."""

    async def run() -> None:
        async with receiving() as receiver, delivering(tmp_path, receiver) as box:
            old, new = await box.secret(), await box.secret(overlap_ms=60_000)
            (webhook_id,) = await box.add(f"{receiver.url}/hook", "r1")
            event = await box.ended(webhook_id)
            assert ("delivered", 1, None) == (event.state, event.tries, event.next_ms)
            (received,) = receiver.received
            for secret in (old, new):
                assert {"status": "COMPLETED"} == verify(received.body, received.headers, secret)
                assert {"status": "COMPLETED"} == StandardWebhook(secret).verify(received.body, received.headers)
            assert webhook_id == received.headers["webhook-id"]
            (attempt,) = await box.log(webhook_id)
            assert (200, None) == (attempt.status, attempt.error)

    asyncio.run(run())


def test_without_a_secret_nothing_is_signed(tmp_path: Path) -> None:
    """Receivers that never asked for signatures get the id, the time and the body."""

    async def run() -> None:
        async with receiving() as receiver, delivering(tmp_path, receiver) as box:
            await box.ended((await box.add(receiver.url, "r1"))[0])
            (received,) = receiver.received
            assert "webhook-signature" not in received.headers

    asyncio.run(run())


def test_the_start_is_told_before_the_end(tmp_path: Path) -> None:
    """Of one run, events arrive in their order, though many are sent at once."""

    async def run() -> None:
        async with receiving() as receiver, delivering(tmp_path, receiver) as box:
            runs = [f"r{number}" for number in range(20)]
            for event in ("run.started", "run.completed"):
                ids = await box.add(receiver.url, *runs, event=event)
            for each in ids:
                await box.ended(each)
            arrived = [each.headers["webhook-id"] for each in receiver.received]
            for each in runs:
                start, end = (outbox.event_id("anna", each, kind) for kind in ("run.started", "run.completed"))
                assert arrived.index(start) < arrived.index(end)
            assert 40 == len(arrived)

    asyncio.run(run())


def test_a_failed_attempt_is_made_again_by_the_next_process(tmp_path: Path) -> None:
    """What was not taken keeps its id and its schedule across a restart."""

    async def run() -> None:
        async with receiving("500 Oops", "200 OK") as receiver:
            async with delivering(tmp_path, receiver) as box:
                (webhook_id,) = await box.add(receiver.url, "r1")
                event = await box.ended(webhook_id)
                assert ("pending", 1) == (event.state, event.tries)
                assert event.next_ms is not None
                assert 5000 <= event.next_ms - event.created_ms <= 7000
                due = {"now": now_ms(), "id": webhook_id}
                await box.worker.write(
                    lambda connection: connection.change("UPDATE webhook_outbox SET next_ms = :now WHERE id = :id", due)
                )
            async with delivering(tmp_path, receiver) as box:
                await until(lambda: len(receiver.received) == 2)
                async with asyncio.timeout(5):
                    while (await box.ended(webhook_id)).state == "pending":
                        pass
                assert [500, 200] == [each.status for each in await box.log(webhook_id)]
        assert {webhook_id} == {each.headers["webhook-id"] for each in receiver.received}

    asyncio.run(run())


def test_a_process_that_ends_amid_an_attempt_loses_nothing(tmp_path: Path) -> None:
    """An attempt that was under way is made again, with the same id."""

    async def run() -> None:
        async with receiving(None, "200 OK") as receiver:
            async with delivering(tmp_path, receiver) as box:
                (webhook_id,) = await box.add(receiver.url, "r1")
                await receiver.came.wait()
            async with delivering(tmp_path, receiver) as box:
                assert "delivered" == (await box.ended(webhook_id)).state
        assert [webhook_id] * 2 == [each.headers["webhook-id"] for each in receiver.received]

    asyncio.run(run())


def test_a_receiver_that_is_gone_gets_nothing_more(tmp_path: Path) -> None:
    """410 switches a URL off for the tenant: what waits rests, what comes later rests from the start."""

    async def run() -> None:
        async with receiving("410 Gone", "200 OK") as receiver, delivering(tmp_path, receiver) as box:
            (first,) = await box.add(f"{receiver.url}/hook", "r1")
            assert "disabled" == (await box.ended(first)).state
            (second,) = await box.add(f"{receiver.url}/hook", "r2")
            assert "disabled" == (await box.ended(second)).state
            (other,) = await box.add(f"{receiver.url}/hook", "r3", tenant="ben")
            assert "delivered" == (await box.ended(other)).state
            disabled = await box.worker.read(lambda connection: urls.disabled(connection, "anna"))
            assert [(f"{receiver.url}/hook", "gone")] == [(each.url, each.reason) for each in disabled]
            assert 2 == len(receiver.received)

    asyncio.run(run())


def test_a_replay_sends_the_same_again(tmp_path: Path) -> None:
    """Replayed, an event comes with the same id and the same bytes."""

    async def run() -> None:
        async with receiving() as receiver, delivering(tmp_path, receiver) as box:
            (webhook_id,) = await box.add(receiver.url, "r1")
            event = await box.ended(webhook_id)
            await box.worker.write(lambda connection: outbox.replay(connection, event, now_ms()))
            box.deliverer.wake()
            await until(lambda: len(receiver.received) == 2)
            one, other = receiver.received
            assert (one.headers["webhook-id"], one.body) == (other.headers["webhook-id"], other.body)

    asyncio.run(run())


def test_receivers_that_never_answer_hold_nobody_up(tmp_path: Path) -> None:
    """While dozens of events wait for a silent receiver, one that answers is told within a moment."""

    async def run() -> None:
        async with (
            receiving(None) as silent,
            receiving() as alive,
            delivering(tmp_path, silent, alive, timeout_s=60.0) as box,
        ):
            await box.add(silent.url, *(f"s{number}" for number in range(200)))
            await until(lambda: len(silent.received) == SLOW_LANE_MOST)
            (webhook_id,) = await box.add(alive.url, "a1")
            assert "delivered" == (await box.ended(webhook_id)).state
            assert SLOW_LANE_MOST == len(silent.received)

    asyncio.run(run())


def test_what_was_found_out_about_a_receiver_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To one that was silent as much goes at once, from the start, as to one that is found to be silent."""
    monkeypatch.setattr("comfypipe.service.webhooks.deliverer._PROMPT_S", 30.0)  # none is found to be so here

    def left(url: str) -> Callable[[Connection], None]:
        def store(connection: Connection) -> None:
            for number in range(2 * LANE_MOST):
                webhook_id = outbox.enqueue(connection, "anna", f"s{number}", "run.completed", url, b"{}")
            attempts.log(connection, webhook_id, Attempt(now_ms(), 40_000, None, "no answer within 40 s"))

        return store

    async def run() -> None:
        async with receiving(None) as silent:
            worker = DatabaseWorker(tmp_path / "service.sqlite3", SERVICE)
            await worker.write(left(silent.url))
            await worker.close()
            async with delivering(tmp_path, silent, timeout_s=60.0):
                await until(lambda: len(silent.received) == 2 * LANE_MOST)

    asyncio.run(run())


def test_what_cannot_be_signed_waits(tmp_path: Path) -> None:
    """With another key file nothing is sent with a signature that nobody can verify: the event stays."""

    async def run() -> None:
        async with receiving() as receiver, delivering(tmp_path, receiver) as box:
            other = SigningKey(b"o" * 32)
            await box.worker.write(
                lambda connection: secrets.rotate(connection, other, "anna", overlap_ms=0, now_ms=now_ms())
            )
            (webhook_id,) = await box.add(receiver.url, "r1")
            await box.ended((await box.add(receiver.url, "r2", tenant="ben"))[0])
            found = await box.worker.read(lambda connection: outbox.find(connection, webhook_id))
            assert found is not None
            assert ("pending", 0) == (found.state, found.tries)

    asyncio.run(run())
