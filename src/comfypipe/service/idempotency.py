"""Requests that are sent again: the same key and payload get the same answer, and nothing is done twice."""

import hashlib
import json
import re
from dataclasses import dataclass

from comfypipe._types import JSONObject
from comfypipe.service.errors import Problem
from comfypipe.service.principal import Principal
from comfypipe.store.connection import Connection
from comfypipe.store.statements import insert

KEPT_MS = 24 * 3600 * 1000
"""How long a key is remembered."""
HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """
    A key that came with a request.

    Attributes:
        scope: Whose it is: the API key's.
        fingerprint: SHA-256 of the canonical payload, as hex.
    """

    scope: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with."""

    status: int
    body: str


def read_key(text: str | None, principal: Principal, path: str, payload: JSONObject) -> IdempotencyKey | None:
    """
    Return the key that a request came with.

    Raises:
        Problem: It is no key.
    """
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        message = f"{HEADER} takes 1 to 255 characters of ASCII, without spaces"
        raise Problem(400, "invalid-idempotency-key", message)
    canonical = json.dumps([path, payload], sort_keys=True, separators=(",", ":")).encode()
    return IdempotencyKey(f"{principal.tenant}/{principal.key_id or ''}", text, hashlib.sha256(canonical).hexdigest())


def answered(connection: Connection, key: IdempotencyKey, now_ms: int) -> Answer | Problem | None:
    """Return what was answered to a request with this key; a problem when that had another payload."""
    found = connection.execute(_FIND, {"scope": key.scope, "key": key.key})
    if not found:
        return None
    if found[0]["created_ms"] < now_ms - KEPT_MS:
        connection.change(_DELETE, {"scope": key.scope, "key": key.key})
        return None
    if found[0]["fingerprint"] != key.fingerprint:
        message = f"this {HEADER} came before, with another request: take a new key for a new request"
        return Problem(422, "idempotency-key-reused", message)
    return Answer(found[0]["status"], found[0]["body"])


def remember(connection: Connection, key: IdempotencyKey, run_id: str, answer: Answer, now_ms: int) -> None:
    """Store what a request is answered with, in the transaction of what it did."""
    row = {"scope": key.scope, "key": key.key, "fingerprint": key.fingerprint, "run_id": run_id}
    insert(connection, "idempotency", row | {"status": answer.status, "body": answer.body, "created_ms": now_ms})


def forget(connection: Connection, now_ms: int) -> None:
    """Drop keys that are older than they are kept."""
    connection.change("DELETE FROM idempotency WHERE created_ms < :before", {"before": now_ms - KEPT_MS})


_FIND = "SELECT fingerprint, status, body, created_ms FROM idempotency WHERE scope = :scope AND key = :key"
_DELETE = "DELETE FROM idempotency WHERE scope = :scope AND key = :key"
