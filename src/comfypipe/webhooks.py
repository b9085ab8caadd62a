"""
Check, in a receiver, that a webhook really comes from the service and is whole; Standard Webhooks 1.0.0.

Only the standard library is used. A receiver calls `verify` with the bytes of the body as they came::

    payload = verify(await request.body(), request.headers, secret)

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets as _random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TOLERANCE_S = 300
"""How far the clocks of sender and receiver may be apart, and how long an attempt may be under way."""

_PREFIX = "whsec_"
_SECRET_BYTES = 32


class WebhookInvalid(ValueError):
    """What came is not, or not provably, a delivery of the service: a receiver answers 400 and does nothing."""


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> Any:
    """
    Return the payload of a delivery whose signature and time are right.

    The same delivery can come more than once: ``headers["webhook-id"]`` is then the same.

    Args:
        body: The bytes as they were received, before any parsing.
        headers: Of the request; upper and lower case are the same.
        secrets: ``whsec_…``; while one replaces another, both.
        tolerance_s: How old, or how far ahead, the attempt's time may be.
        now: Seconds since 1970; the clock's where nothing is said.

    Raises:
        WebhookInvalid: A header is missing or malformed, the time is off, no signature fits, or the body is no JSON.
        ValueError: A secret is not one.
    """
    keys = [_key(each) for each in ([secrets] if isinstance(secrets, str) else secrets)]
    given = {name.lower(): value for name, value in headers.items()}
    webhook_id, timestamp, signatures = (_header(given, name) for name in ("id", "timestamp", "signature"))
    _check_time(timestamp, time.time() if now is None else now, tolerance_s)
    expected = [_digest(key, webhook_id, timestamp, body) for key in keys]
    # Every pair is compared, so that the time it takes says nothing about which one fits.
    fits = [hmac.compare_digest(one, other) for one in _signatures(signatures) for other in expected]
    if not any(fits):
        raise WebhookInvalid("no signature fits: another secret signed it, or it was changed on its way")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookInvalid(f"the body is no JSON: {error}") from None


def sign(body: bytes, secret: str, *, webhook_id: str, timestamp: int) -> str:
    """
    Return the signature of a delivery: ``v1,`` and the base64 of an HMAC-SHA256.

    Args:
        body: The exact bytes that are sent.
        webhook_id: The same on every attempt; without a dot.
        timestamp: Of this attempt, whole seconds since 1970.

    Raises:
        ValueError: The secret is not one, or the id has a dot in it.
    """
    if not webhook_id or "." in webhook_id:
        raise ValueError(f"{webhook_id!r} is no id of a webhook: it is empty or has a dot in it")
    return "v1," + base64.b64encode(_digest(_key(secret), webhook_id, str(timestamp), body)).decode("ascii")


def signed_headers(body: bytes, secrets: Sequence[str], *, webhook_id: str, timestamp: int) -> dict[str, str]:
    """Return the headers of a delivery; with several secrets, a signature of each; with none, no signature."""
    headers = {"webhook-id": webhook_id, "webhook-timestamp": str(timestamp)}
    if secrets:
        each = (sign(body, secret, webhook_id=webhook_id, timestamp=timestamp) for secret in secrets)
        headers["webhook-signature"] = " ".join(each)
    return headers


def new_secret() -> str:
    """Return a secret of 32 bytes drawn at random, as receivers write it."""
    return format_secret(_random.token_bytes(_SECRET_BYTES))


def format_secret(key: bytes) -> str:
    """Return a key's bytes as receivers write them: ``whsec_`` and base64."""
    return _PREFIX + base64.b64encode(key).decode("ascii")


def _key(secret: str) -> bytes:
    text = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook's secret is whsec_ and base64")  # never the secret itself
    return key


def _digest(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> bytes:
    return hmac.new(key, f"{webhook_id}.{timestamp}.".encode(errors="replace") + body, hashlib.sha256).digest()


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(f"webhook-{name}")
    if not value:
        raise WebhookInvalid(f"the header webhook-{name} is missing")
    return value


def _check_time(timestamp: str, now: float, tolerance_s: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise WebhookInvalid("webhook-timestamp is no whole number of seconds")
    apart_s = now - int(timestamp)
    if abs(apart_s) > tolerance_s:
        raise WebhookInvalid(f"the delivery is {abs(apart_s):.0f} s {'old' if apart_s > 0 else 'ahead of our clock'}")


def _signatures(header: str) -> Iterator[bytes]:
    """Yield what is signed by the version that we know; others, and what is malformed, fit nothing."""
    for each in header.split(" "):
        version, _, text = each.partition(",")
        if version == "v1":
            try:
                yield base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                continue
