"""``comfypipe keys``: a key's life on the command line."""

import re
from pathlib import Path

import pytest
from tests.cli.conftest import Type

from comfypipe.service.keys.format import read_key
from comfypipe.service.principal import SCOPES


def test_a_keys_life(here: Path, typed: Type) -> None:
    """Made, it is shown once; listed, it is an id; revoked, it stays so. The log tells all of it."""
    made = typed("keys", "create", "--data", "d", "--tenant", "anna", "--name", "laptop", "--scopes", "runs:read")
    assert 0 == made.status, made.err
    text = made.out.strip()
    key = read_key(text)
    assert key is not None
    assert f"key {key.id} of anna: runs:read; keep it, it is not shown again\n" == made.err
    listed = typed("keys", "list", "--data", "d").out
    assert re.fullmatch(rf"{key.id}  anna  active  no end  runs:read  laptop\n", listed)
    assert (0, "", f"revoked {key.id} of anna\n") == _all(typed("keys", "revoke", "--data", "d", key.id))
    assert "revoked" == typed("keys", "list", "--data", "d", "--json").document[0]["state"]
    log = typed("keys", "log", "--data", "d", "--json").document
    assert [("key.revoke", key.id), ("key.create", key.id)] == [(each["action"], each["target"]) for each in log]
    everything = b"".join(path.read_bytes() for path in (here / "d").iterdir())
    assert text.split("_")[2].encode() not in everything


def test_a_key_as_json(here: Path, typed: Type) -> None:
    """With --json the key and what is known of it are one document."""
    made = typed("keys", "create", "--data", "d", "--tenant", "anna", "--expires", "90d", "--json").document
    assert sorted(SCOPES) == made["scopes"]
    assert made["expires_at"] > made["created_at"]
    assert read_key(made["key"]) is not None


def test_no_keys(here: Path, typed: Type) -> None:
    """A new service has none, and has done nothing."""
    assert "no keys\n" == typed("keys", "list", "--db", "sqlite:///d/s.sqlite3").out
    assert "nothing yet\n" == typed("keys", "log", "--db", "sqlite:///d/s.sqlite3").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "--tenant", "a b"), '"a b" cannot name a tenant'),
        (("create", "--tenant", "a", "--scopes", "runs:fly"), "no such scope: runs:fly"),
        (("create", "--tenant", "a", "--scopes", ""), "a key needs a scope"),
        (("create", "--tenant", "a", "--expires", "soon"), '"soon" is no time that a key can last'),
        (("create", "--tenant", "a", "--expires", "0d"), '"0d" is no time that a key can last'),
        (("revoke", "nobody"), "there is no key nobody"),
    ],
)
def test_what_cannot_be_is_refused(here: Path, typed: Type, arguments: tuple[str, ...], said: str) -> None:
    """Names, scopes, times and ids that are none end with status 2, and nothing is made."""
    refused = typed("keys", *arguments, "--data", "d")
    assert 2 == refused.status
    assert refused.err.startswith(f"{said}\n  hint: ")
    assert "no keys\n" == typed("keys", "list", "--data", "d").out


def test_without_a_project_the_place_has_to_be_said(here: Path, typed: Type) -> None:
    """Outside of a project, --data or --db names the database."""
    refused = typed("keys", "list")
    assert 2 == refused.status
    assert "--data DIR" in refused.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104  that is what is refused
def test_without_keys_a_service_is_for_its_own_machine(here: Path, typed: Type, host: str) -> None:
    """--no-auth with any address but loopback is refused, before anything is opened."""
    refused = typed("serve", "--no-auth", "--host", host, "--data", "d", "--port", "0")
    assert 2 == refused.status
    assert refused.err.startswith(f"without keys, anybody who reaches {host} could run anything")
    assert [] == list(here.iterdir())


def _all(typed: object) -> tuple[object, ...]:
    return tuple(getattr(typed, name) for name in ("status", "out", "err"))
