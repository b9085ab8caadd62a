"""Which IP addresses belong to the public internet. Pure."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_CLOSED_V4 = tuple(
    map(
        IPv4Network,
        (
            "192.0.0.0/24",  # protocol assignments, some of which Python calls global
            "192.88.99.0/24",  # the former 6to4 relays
            "168.63.129.16/32",  # a cloud's own services, at an address that looks public
        ),
    )
)
_OPEN_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, which hides an IPv4 address, among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which hides an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)


def address_problem(address: Address) -> str | None:
    """Return why nothing may connect to *address*; None when it is one of the public internet."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return f"{address} is an address of one link only"
        if address.ipv4_mapped is not None:
            return address_problem(address.ipv4_mapped)
        public = address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)
    else:
        closed = address.is_multicast or any(address in network for network in _CLOSED_V4)
        public = address.is_global and not closed
    return None if public else f"{address} is no address of the public internet"


def read_address(text: str) -> Address | None:
    """Return the address that *text* spells the usual way; None when it is a name."""
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
