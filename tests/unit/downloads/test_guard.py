"""The policy of addresses: what is refused before anything is resolved, and what operators may allow."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.downloads.addresses import BAD_ADDRESSES, BAD_SPELLINGS, GOOD_ADDRESSES

from comfypipe.downloads.guard import AddressPolicy, addresses_in
from comfypipe.downloads.urls import read_url, redacted
from comfypipe.errors import DownloadRefused


def host_of(address: str) -> str:
    """Return an address as URLs write it."""
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_literal_bad_addresses_are_refused(address: str) -> None:
    """A URL that names a bad address itself is refused, on whatever port and scheme."""
    for url in (f"http://{host_of(address)}/x", f"https://{host_of(address)}:8443/x"):
        with pytest.raises(DownloadRefused, match=r"is refused"):
            AddressPolicy().check_url(url)


@pytest.mark.parametrize("url", BAD_SPELLINGS)
def test_odd_spellings_are_refused(url: str) -> None:
    """A URL that programs could read in two ways, or that is none of http, is refused."""
    with pytest.raises(DownloadRefused, match=r"is refused"):
        AddressPolicy().check_url(url)


@pytest.mark.parametrize("address", GOOD_ADDRESSES)
def test_public_addresses_may_be_asked(address: str) -> None:
    """A URL that names a public address is let through."""
    assert AddressPolicy().check_url(f"https://{host_of(address)}/x").origin == f"https://{_plain(address)}:443"


def _plain(address: str) -> str:
    return host_of(str(ip_address(address)))


def test_urls_have_one_spelling() -> None:
    """Case, a last dot, the default port, a fragment and letters beyond ASCII make no difference."""
    expected = ("http://xn--bcher-kva.example/a%20b?q=1", "http://xn--bcher-kva.example:80")
    for url in ("HTTP://BÜCHER.example.:80/a%20b?q=1#part", "http://xn--bcher-kva.example/a%20b?q=1"):
        location = read_url(url)
        assert expected == (str(location.url), location.origin)


@given(st.text(max_size=60) | st.from_regex(r"https?://[a-z0-9.\[\]:@%/?#\\-]{0,40}", fullmatch=True))
def test_one_spelling_is_stable(text: str) -> None:
    """Any text is refused, or has a spelling that reads as itself."""
    try:
        location = read_url(text)
    except DownloadRefused:
        return
    again = read_url(str(location.url))
    assert (location.url, location.origin, location.address) == (again.url, again.origin, again.address)


def test_origins_are_allowed_exactly() -> None:
    """An exception holds for one scheme, host and port, in whatever spelling, and for nothing beside it."""
    policy = AddressPolicy(frozenset({"http://127.0.0.1:8188/", "https://NAS.local"}))
    assert frozenset({"http://127.0.0.1:8188", "https://nas.local:443"}) == policy.allow_origins
    policy.check_url("http://127.0.0.1:8188/view")
    for url in (
        "http://127.0.0.1:8189/view",
        "https://127.0.0.1:8188/view",
        "http://127.0.0.2:8188/view",
        "http://[::ffff:127.0.0.1]:8188/view",
    ):
        with pytest.raises(DownloadRefused):
            policy.check_url(url)
    assert policy.allows(read_url("https://nas.local./x"))
    assert not policy.allows(read_url("http://nas.local/x"))


@pytest.mark.parametrize(
    "origin",
    ["*", "http://*", "http://*.example.com", "127.0.0.1", "http://a/b", "http://a/?q", "http://a#f", "http://u@a", ""],
)
def test_patterns_are_no_origins(origin: str) -> None:
    """An origin with a pattern, a path, a query or a user, or without a scheme, is refused when it is set."""
    with pytest.raises(DownloadRefused):
        AddressPolicy(frozenset({origin}))


def test_origins_can_be_added() -> None:
    """More origins make another policy, that allows the earlier ones as well."""
    policy = AddressPolicy(frozenset({"http://a"})).with_origins(["http://b:81"])
    assert AddressPolicy(frozenset({"http://a:80", "http://b:81"})) == policy


def test_only_public_addresses_of_a_name_are_kept() -> None:
    """Of a name with public and private addresses only the public ones may be connected to."""
    location = read_url("https://mixed.example/")
    found = addresses_in(["127.0.0.1", "8.8.8.8", "fe80::1%2", "8.8.8.8", "nonsense"])
    assert (ip_address("8.8.8.8"),) == AddressPolicy().check_addresses(location, found)


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["10.0.0.1", "::1", "::ffff:10.1.1.1"]])
def test_a_name_without_public_addresses_is_refused(addresses: list[str]) -> None:
    """A name that has private addresses only, or none, is refused, and the hint says what an operator can do."""
    location = read_url("https://inside.example:8443/secret?token=s3cret")
    with pytest.raises(DownloadRefused) as caught:
        AddressPolicy().check_addresses(location, addresses_in(addresses))
    assert caught.value.hint == ("where this is meant, allow its origin: --allow-origin https://inside.example:8443")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/a/b?X-Signature=s3cret#t0ken", "https://host/a/b?…"),
        ("https://user:s3cret@host:81/a", "https://host:81/a"),
        ("https://host?s3cret", "https://host?…"),
        ("no url at all, and rather long", "no url at all, and rathe"),
        ("http://ho\x1b[31mst/", "http://ho�[31mst/"),
    ],
)
def test_secrets_are_not_shown(url: str, shown: str) -> None:
    """Messages show a URL without user, password, query, fragment and control characters."""
    assert shown == redacted(url)
