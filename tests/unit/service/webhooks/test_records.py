"""Secrets, events and disabled URLs in the database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from comfypipe.errors import StoreError
from comfypipe.service.migrations import SERVICE
from comfypipe.service.webhooks import outbox, secrets, urls
from comfypipe.service.webhooks.secrets import SigningKey
from comfypipe.store.connection import Connection
from comfypipe.store.database import open_database

URL = "https://receiver.example/hook"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """Return a connection to a new database, in a transaction."""
    database = open_database(tmp_path / "service.sqlite3", SERVICE)
    found = database.connect()
    with found.transaction(writes=True):
        yield found
    found.close()
    database.close()


def enqueue(connection: Connection, run_id: str, *, tenant: str = "anna", now_ms: int = 10) -> str:
    """Add the start of a run."""
    return outbox.enqueue(connection, tenant, run_id, "run.started", URL, b'{"a": "\xc3\xa9"}', now_ms=now_ms)


class TestSecrets:
    """What deliveries are signed with."""

    def test_the_key_file_stays_and_is_its_owners(self, tmp_path: Path) -> None:
        """The same file gives the same secrets again; nobody else can read it."""
        path = tmp_path / "new" / "key"
        first = SigningKey.at(path).secret("anna", "whs_1")
        assert first == SigningKey.at(path).secret("anna", "whs_1")
        assert 0o600 == path.stat().st_mode & 0o777
        assert [path] == list(path.parent.iterdir())

    def test_secrets_differ_by_tenant_and_id(self) -> None:
        """No two secrets are the same, and the key does not show."""
        key = SigningKey(b"k" * 32)
        made = {key.secret(tenant, secret_id) for tenant in "ab" for secret_id in ("1", "2")}
        assert 4 == len(made)
        assert "SigningKey(…)" == repr(key)

    def test_a_file_that_is_something_else_is_refused(self, tmp_path: Path) -> None:
        """A cut key file is named, not replaced: all secrets would change."""
        path = tmp_path / "key"
        path.write_bytes(b"short")
        with pytest.raises(StoreError, match="is not the key"):
            SigningKey.at(path)
        assert b"short" == path.read_bytes()

    def test_rotation_overlaps(self, connection: Connection) -> None:
        """While one secret replaces another both sign, the new one first; then the new one alone."""
        key = SigningKey(b"k" * 32)
        old, _ = secrets.rotate(connection, key, "anna", overlap_ms=100, now_ms=0)
        new, _ = secrets.rotate(connection, key, "anna", overlap_ms=100, now_ms=1000)
        assert [new, old] == secrets.derived(key, secrets.active(connection, "anna", 1099))
        assert [new] == secrets.derived(key, secrets.active(connection, "anna", 1100))
        assert [] == secrets.active(connection, "ben", 1000)

    def test_few_sign_at_once(self, connection: Connection) -> None:
        """Whoever rotates often keeps the newest four."""
        key = SigningKey(b"k" * 32)
        made = [secrets.rotate(connection, key, "anna", overlap_ms=1000, now_ms=now)[0] for now in range(10)]
        assert made[:5:-1] == secrets.derived(key, secrets.active(connection, "anna", 9))

    def test_a_revoked_secret_signs_no_more(self, connection: Connection) -> None:
        """At once, and only for the tenant whose it is."""
        key = SigningKey(b"k" * 32)
        _, record = secrets.rotate(connection, key, "anna", overlap_ms=0, now_ms=0)
        assert not secrets.revoke(connection, "ben", record.id, 5)
        assert secrets.revoke(connection, "anna", record.id, 5)
        assert not secrets.revoke(connection, "anna", record.id, 5)
        assert [] == secrets.active(connection, "anna", 5)

    def test_another_key_file_signs_nothing(self, connection: Connection) -> None:
        """What was derived from another key is left out; when that leaves nothing, it is an error."""
        secrets.rotate(connection, SigningKey(b"k" * 32), "anna", overlap_ms=1000, now_ms=0)
        other = SigningKey(b"o" * 32)
        with pytest.raises(StoreError, match="another key file"):
            secrets.derived(other, secrets.active(connection, "anna", 0))
        new, _ = secrets.rotate(connection, other, "anna", overlap_ms=1000, now_ms=1)
        assert [new] == secrets.derived(other, secrets.active(connection, "anna", 1))


class TestOutbox:
    """Events that wait to be told."""

    def test_the_same_event_is_stored_once(self, connection: Connection) -> None:
        """An event of a run has one id, however often it is given; its body is kept byte by byte."""
        webhook_id = enqueue(connection, "r1")
        assert webhook_id == enqueue(connection, "r1")
        assert webhook_id != enqueue(connection, "r1", tenant="ben")
        assert b'{"a": "\xc3\xa9"}' == outbox.body_of(connection, webhook_id)
        assert "." not in webhook_id

    def test_new_events_are_found_by_position(self, connection: Connection) -> None:
        """A deliverer asks for what became pending after what it knows; a replayed event is new again."""
        first, second = (enqueue(connection, run) for run in ("r1", "r2"))
        known = outbox.pending_after(connection, 0)
        assert [(first, 1), (second, 2)] == [(each.id, each.position) for each in known]
        assert [] == outbox.pending_after(connection, 2)
        again = outbox.replay(connection, known[0], 50)
        assert [again] == outbox.pending_after(connection, 2)
        assert (3, 50, 0, "pending") == (again.position, again.next_ms, again.tries, again.state)

    def test_an_attempt_before_a_replay_settles_nothing(self, connection: Connection) -> None:
        """What was under way when an event was replayed does not end it."""
        event = outbox.find(connection, enqueue(connection, "r1"))
        assert event is not None
        again = outbox.replay(connection, event, 50)
        assert not outbox.settle(connection, event, outbox.DELIVERED, now_ms=60)
        assert outbox.settle(connection, again, outbox.DELIVERED, now_ms=60)
        settled = outbox.find(connection, event.id)
        assert settled is not None
        assert ("delivered", 1, 60) == (settled.state, settled.tries, settled.ended_ms)

    def test_events_to_a_disabled_url_rest(self, connection: Connection) -> None:
        """What waits for it rests, what comes later rests from the start, and other tenants are not concerned."""
        before, others = enqueue(connection, "r1"), enqueue(connection, "r1", tenant="ben")
        urls.disable(connection, "anna", URL, urls.GONE, 20)
        outbox.switch_off(connection, "anna", URL, 20)
        after = enqueue(connection, "r2", now_ms=30)
        assert [others] == [each.id for each in outbox.pending_after(connection, 0)]
        assert [after, before] == [each.id for each in outbox.listed(connection, "anna", state="disabled")]
        assert urls.enable(connection, "anna", URL)
        assert not urls.enable(connection, "anna", URL)
        enqueue(connection, "r3")
        assert 2 == len(outbox.pending_after(connection, 0))

    def test_lists_are_paged(self, connection: Connection) -> None:
        """Newest first, by run or state, from the last one seen on."""
        ids = [enqueue(connection, f"r{number}", now_ms=number // 2) for number in range(7)]
        pages, before = [], None
        while page := outbox.listed(connection, "anna", before=before, limit=3):
            pages += [each.id for each in page]
            before = page[-1].id
        assert sorted(ids) == sorted(pages)
        assert [ids[3]] == [each.id for each in outbox.listed(connection, "anna", run_id="r3")]
        assert [] == outbox.listed(connection, "anna", before="msg_unknown")

    def test_what_ended_long_ago_is_forgotten(self, connection: Connection) -> None:
        """But for what is pending, and the last position, which the next event counts on from."""
        for run in ("r1", "r2", "r3"):
            event = outbox.find(connection, enqueue(connection, run))
            assert event is not None
            if run != "r1":
                outbox.settle(connection, event, outbox.DELIVERED, now_ms=20)
        outbox.forget(connection, outbox.KEPT_MS + 21)
        assert {"r1", "r3"} == {each.run_id for each in outbox.listed(connection, "anna")}


def test_disabled_urls_are_listed_with_the_first_reason(connection: Connection) -> None:
    """A URL that is gone does not become one that was switched off by hand."""
    urls.disable(connection, "anna", URL, urls.GONE, 1)
    urls.disable(connection, "anna", URL, urls.BY_HAND, 2)
    assert [urls.DisabledUrl(URL, "gone", 1)] == urls.disabled(connection, "anna")
    assert [] == urls.disabled(connection, "ben")
