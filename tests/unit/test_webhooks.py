"""Signing and verifying webhooks."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook as StandardWebhook
from svix.webhooks import Webhook as SvixWebhook

from comfypipe.webhooks import WebhookInvalid, new_secret, sign, signed_headers, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  the specification's own example
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
WEBHOOK_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(**changes: str | None) -> dict[str, str]:
    """Return the headers of the specification's example, with changes; None leaves one out."""
    all_ = {"id": WEBHOOK_ID, "timestamp": str(TIMESTAMP), "signature": SIGNATURE} | changes
    return {f"webhook-{name}": value for name, value in all_.items() if value is not None}


def test_the_specifications_example_is_signed_as_it_says() -> None:
    """The published vector comes out."""
    assert SIGNATURE == sign(BODY, SECRET, webhook_id=WEBHOOK_ID, timestamp=TIMESTAMP)


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_"), [OTHER, SECRET]])
def test_a_right_delivery_gives_its_payload(secret: str | list[str]) -> None:
    """With the secret, bare or prefixed, or among others, the payload is returned."""
    assert {"test": 2432232314} == verify(BODY, headers(), secret, now=TIMESTAMP)


def test_headers_are_found_in_any_case() -> None:
    """Servers that capitalise headers are understood."""
    given_ = {name.title(): value for name, value in headers().items()}
    assert {"test": 2432232314} == verify(BODY, given_, SECRET, now=TIMESTAMP)


@pytest.mark.parametrize(
    "signature",
    [f"v1,AAAA {SIGNATURE}", f"v1a,zzz {SIGNATURE}", f"nonsense {SIGNATURE}", f"v1,??? {SIGNATURE} v1,"],
)
def test_one_right_signature_among_others_is_enough(signature: str) -> None:
    """Signatures of another secret, of another version, or malformed do not hide the right one."""
    assert {"test": 2432232314} == verify(BODY, headers(signature=signature), SECRET, now=TIMESTAMP)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"timestamp": None},
        {"signature": None},
        {"signature": ""},
        {"id": "msg_other"},
        {"timestamp": "1614265331"},
        {"timestamp": "1614265330.0"},
        {"timestamp": "٣"},
        {"timestamp": "9" * 5000},
        {"signature": "v1"},
        {"signature": "v1,"},
        {"signature": SIGNATURE.replace("v1", "v2")},
        {"signature": "v1,é"},
        {"id": "\ud800"},
        {"signature": SIGNATURE[:-4] + "AAA="},
    ],
)
def test_whatever_is_not_right_is_refused(changes: dict[str, str | None]) -> None:
    """A missing, changed or malformed header raises the one error that receivers catch."""
    with pytest.raises(WebhookInvalid):
        verify(BODY, headers(**changes), SECRET, now=TIMESTAMP)


@pytest.mark.parametrize(("now", "right"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_an_old_delivery_is_refused(now: int, *, right: bool) -> None:
    """Attempts count for five minutes, ahead of our clock or behind it."""
    if right:
        verify(BODY, headers(), SECRET, now=TIMESTAMP + now)
    else:
        with pytest.raises(WebhookInvalid, match="301 s"):
            verify(BODY, headers(), SECRET, now=TIMESTAMP + now)


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff", b"[" * 100_000])
def test_a_signed_body_that_is_no_json_is_refused(body: bytes) -> None:
    """Bodies that cannot be parsed raise the same error, however deep they nest."""
    signed = signed_headers(body, [SECRET], webhook_id="msg_1", timestamp=TIMESTAMP)
    with pytest.raises(WebhookInvalid, match="no JSON"):
        verify(body, signed, SECRET, now=TIMESTAMP)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_???", "whsec_canary secret", "whsec_é"])
def test_a_malformed_secret_is_not_shown(secret: str) -> None:
    """The error about a secret that is none does not repeat it."""
    with pytest.raises(ValueError, match=r"^a webhook's secret is whsec_ and base64$"):
        verify(BODY, headers(), secret, now=TIMESTAMP)


@pytest.mark.parametrize("webhook_id", ["", "a.b"])
def test_ids_with_a_dot_are_not_signed(webhook_id: str) -> None:
    """An id that could be taken for id and time is refused."""
    with pytest.raises(ValueError, match="no id of a webhook"):
        sign(BODY, SECRET, webhook_id=webhook_id, timestamp=TIMESTAMP)


def test_without_a_secret_there_is_no_signature() -> None:
    """Deliveries of a tenant without secrets carry the id and the time alone."""
    expected = {"webhook-id": "msg_1", "webhook-timestamp": "7"}
    assert expected == signed_headers(b"{}", [], webhook_id="msg_1", timestamp=7)


def test_new_secrets_are_32_bytes_that_differ() -> None:
    """A secret holds 32 bytes drawn at random."""
    one, other = new_secret(), new_secret()
    assert one != other
    assert 32 == len(base64.b64decode(one.removeprefix("whsec_")))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
)
KEYS = st.binary(min_size=24, max_size=64)
IDS = st.text("abcdefgh0123_-", min_size=1, max_size=40)


@given(JSON_VALUES, KEYS, KEYS, IDS)
def test_other_implementations_verify_what_we_sign(payload: Any, key: bytes, old: bytes, webhook_id: str) -> None:
    """`standardwebhooks` and `svix` accept our headers, also those of two secrets at once."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    secret, older = (f"whsec_{base64.b64encode(each).decode()}" for each in (key, old))
    now = int(datetime.now(UTC).timestamp())
    signed = signed_headers(body, [secret, older], webhook_id=webhook_id, timestamp=now)
    for each in (secret, older):
        assert payload == StandardWebhook(each).verify(body, signed)
        SvixWebhook(each).verify(body, signed)
        assert payload == verify(body, signed, each, now=now)


@given(JSON_VALUES, KEYS, IDS)
def test_we_verify_what_other_implementations_sign(payload: Any, key: bytes, webhook_id: str) -> None:
    """Headers made by `standardwebhooks` and `svix` are accepted."""
    body = json.dumps(payload)
    secret = f"whsec_{base64.b64encode(key).decode()}"
    for other in (StandardWebhook(secret), SvixWebhook(secret)):
        signature = other.sign(webhook_id, datetime.fromtimestamp(TIMESTAMP, UTC), body)
        made = {"webhook-id": webhook_id, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": signature}
        assert payload == verify(body.encode(), made, secret, now=TIMESTAMP)


@given(
    st.binary(max_size=200),
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()),
)
def test_wild_deliveries_raise_nothing_else(body: bytes, wild: dict[str, str]) -> None:
    """Whatever is sent, a receiver sees the one error."""
    with pytest.raises(WebhookInvalid):
        verify(body, headers() | wild, SECRET, now=TIMESTAMP + 1)
