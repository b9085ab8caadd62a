"""Addresses: what is public, and what only looks so."""

from ipaddress import ip_address

import pytest
from tests.unit.downloads.addresses import BAD_ADDRESSES, GOOD_ADDRESSES

from comfypipe.downloads.addresses import address_problem, read_address


def test_there_are_enough_bad_addresses() -> None:
    """At least sixty bad addresses are tried, each once."""
    assert len(BAD_ADDRESSES) == len(set(BAD_ADDRESSES)) >= 60


@pytest.mark.parametrize("text", BAD_ADDRESSES)
def test_bad_addresses_have_a_problem(text: str) -> None:
    """An address that is private, reserved, or hides one that is, has a problem that names it."""
    assert "no address of the public internet" in (address_problem(ip_address(text)) or "")


@pytest.mark.parametrize("text", GOOD_ADDRESSES)
def test_public_addresses_have_none(text: str) -> None:
    """An address of the public internet has no problem, next to closed ranges as well."""
    assert address_problem(ip_address(text)) is None


def test_an_address_with_a_zone_has_a_problem() -> None:
    """An address that holds on one link only has a problem, though its network is open."""
    assert "one link only" in (address_problem(ip_address("2606:4700::1%eth0")) or "")


def test_names_are_no_addresses() -> None:
    """What is no address in the usual spelling reads as a name."""
    assert [None, None, None] == [read_address(text) for text in ("example.com", "0177.0.0.1", "2130706433")]
