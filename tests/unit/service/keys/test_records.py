"""Keys in the database, and who is let in."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from comfypipe.errors import UsageError
from comfypipe.service.errors import Problem
from comfypipe.service.keys import Gate, audit, records
from comfypipe.service.keys.audit import AuditRow
from comfypipe.service.keys.format import new_key
from comfypipe.service.keys.keyring import REMEMBERED_S, KeyRing
from comfypipe.service.keys.records import KeyRecord
from comfypipe.service.limits import Rate, RateLimiter
from comfypipe.service.migrations import SERVICE
from comfypipe.service.principal import LOCAL, SCOPES, Principal
from comfypipe.service.times import now_ms
from comfypipe.store.worker import DatabaseWorker

T = TypeVar("T")

SOME = frozenset({"runs:read"})


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def with_worker(folder: Path, act: Callable[[DatabaseWorker], Awaitable[T]]) -> T:
    """Return what *act* does with a new database."""

    async def run() -> T:
        worker = DatabaseWorker(folder / "service.sqlite3", SERVICE)
        try:
            return await act(worker)
        finally:
            await worker.close()

    return asyncio.run(run())


async def make(worker: DatabaseWorker, *, expires_ms: int | None = None) -> tuple[str, KeyRecord]:
    """Add a key of tenant ``anna``."""
    return await worker.write(
        lambda connection: records.create(
            connection, "anna", name="laptop", scopes=SOME, expires_ms=expires_ms, now_ms=1
        )
    )


def test_a_key_is_kept_without_its_text(tmp_path: Path) -> None:
    """Of a key the database holds the hash: its text is nowhere in the file."""

    async def act(worker: DatabaseWorker) -> str:
        text, record = await make(worker)
        assert [record] == await worker.read(records.listed)
        return text

    text = with_worker(tmp_path, act)
    secret = text.split("_")[2].encode()
    assert not any(secret in path.read_bytes() for path in tmp_path.iterdir())


def test_a_key_opens_its_tenant(tmp_path: Path) -> None:
    """A key that is right is its tenant's, with the scopes that it was given."""

    async def act(worker: DatabaseWorker) -> None:
        text, record = await make(worker)
        assert Principal("anna", record.id, SOME) == await KeyRing(worker).identify(text)

    with_worker(tmp_path, act)


def test_what_is_not_a_valid_key_opens_nothing(tmp_path: Path) -> None:
    """Malformed, unknown, expired and revoked keys, and a right id with another secret, are all the same: none."""

    async def act(worker: DatabaseWorker) -> None:
        _, record = await make(worker)
        expired, _ = await make(worker, expires_ms=now_ms() - 1)
        revoked, old = await make(worker)
        await worker.write(lambda connection: records.revoke(connection, old.id, now_ms()))
        forged, _ = new_key()
        forged = forged.replace(forged.split("_")[1], record.id)
        for text in ("", "cpk_", expired, revoked, new_key()[0], forged):
            assert None is await KeyRing(worker).identify(text)

    with_worker(tmp_path, act)


def test_a_revoked_key_is_refused_within_a_second(tmp_path: Path) -> None:
    """What is remembered of a key is asked for again after a second."""

    async def act(worker: DatabaseWorker) -> None:
        clock = Clock()
        ring = KeyRing(worker, clock=clock)
        text, record = await make(worker)
        assert None is not await ring.identify(text)
        await worker.write(lambda connection: records.revoke(connection, record.id, now_ms()))
        clock.now += REMEMBERED_S
        assert None is await ring.identify(text)

    with_worker(tmp_path, act)


def test_the_gate_answers_401_then_429_to_those_who_guess(tmp_path: Path) -> None:
    """An address without a right key is told so a few times, then to wait; who has one is let in all the same."""

    async def act(worker: DatabaseWorker) -> None:
        rate = Rate(per_s=1, burst=2)
        gate = Gate(KeyRing(worker), addresses=RateLimiter(rate, clock=Clock()))
        text, record = await make(worker)
        answers = []
        for key in (None, new_key()[0], "cpk_canary"):
            with pytest.raises(Problem) as raised:
                await gate.pass_through(key, "192.0.2.1")
            answers.append((raised.value.status, raised.value.headers))
            assert "canary" not in raised.value.message
        bearer = {"WWW-Authenticate": "Bearer"}
        assert [(401, bearer), (401, bearer), (429, {"Retry-After": "1"})] == answers
        assert Principal("anna", record.id, SOME) == await gate.pass_through(text, "192.0.2.1")

    with_worker(tmp_path, act)


def test_the_gate_limits_each_key(tmp_path: Path) -> None:
    """A key that asks too often is told when to come back; another one is not concerned."""

    async def act(worker: DatabaseWorker) -> None:
        gate = Gate(KeyRing(worker), keys=RateLimiter(Rate(per_s=0.1, burst=1), clock=Clock()))
        one, _ = await make(worker)
        other, _ = await make(worker)
        await gate.pass_through(one, "192.0.2.1")
        with pytest.raises(Problem) as raised:
            await gate.pass_through(one, "192.0.2.1")
        assert (429, "rate-limited", {"Retry-After": "10"}) == (
            raised.value.status,
            raised.value.kind,
            raised.value.headers,
        )
        await gate.pass_through(other, "192.0.2.1")

    with_worker(tmp_path, act)


def test_without_a_key_ring_everybody_is_local() -> None:
    """A service that asks for no key has one tenant."""
    assert LOCAL == asyncio.run(Gate(None).pass_through(None, "127.0.0.1"))


def test_states_of_a_key() -> None:
    """Revoked beats expired; the end itself is past it."""
    record = KeyRecord("id", "anna", "", "0", SOME, 0, 10, None)
    assert ["active", "expired"] == [record.state(9), record.state(10)]
    assert "revoked" == KeyRecord("id", "anna", "", "0", SOME, 0, 10, 5).state(20)


@pytest.mark.parametrize("scopes", [[], ["runs:read", "everything"]])
def test_scopes_that_do_not_exist_are_refused(scopes: list[str]) -> None:
    """The error says which scopes there are."""
    with pytest.raises(UsageError) as raised:
        records.check_scopes(scopes)
    assert raised.value.hint == f"there are {', '.join(sorted(SCOPES))}"


@pytest.mark.parametrize("tenant", ["", "a b", "a/b", "é", "a" * 65, "a\n"])
def test_names_that_are_no_tenants_are_refused(tenant: str) -> None:
    """A tenant's name can stand in a path and on the wire as it is."""
    with pytest.raises(UsageError):
        records.check_tenant(tenant)


def test_the_audit_log_is_read_newest_first_and_forgets(tmp_path: Path) -> None:
    """Rows come back as they were noted, by tenant where one is named, until they are too old."""
    rows = [AuditRow(at, tenant, None, "key.create", "id", audit.COMMAND_LINE) for at, tenant in ((1, "a"), (2, "b"))]

    async def act(worker: DatabaseWorker) -> None:
        for row in rows:
            await worker.write(partial(audit.record, row=row))
        assert [rows[1], rows[0]] == await worker.read(audit.recorded)
        assert [rows[0]] == await worker.read(lambda connection: audit.recorded(connection, "a"))
        await worker.write(lambda connection: audit.forget(connection, audit.KEPT_MS + 2))
        assert [rows[1]] == await worker.read(audit.recorded)

    with_worker(tmp_path, act)
