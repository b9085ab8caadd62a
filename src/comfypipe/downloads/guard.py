"""Where connections may go: to the public internet, and to origins that the operator allows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from comfypipe.downloads.addresses import Address, address_problem, read_address
from comfypipe.downloads.urls import Location, read_origin, read_url
from comfypipe.errors import DownloadRefused


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """
    Which addresses may be connected to.

    Attributes:
        allow_origins: Origins that may be anywhere, this machine and its network included, such as
            ``http://127.0.0.1:8188``: scheme, host and port have to be the same.

    Raises:
        DownloadRefused: One of the origins is none.
    """

    allow_origins: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "allow_origins", frozenset(map(read_origin, self.allow_origins)))

    def with_origins(self, more: Iterable[str]) -> "AddressPolicy":
        """Return the policy that allows *more* origins besides."""
        return AddressPolicy(self.allow_origins | frozenset(more))

    def allows(self, location: Location) -> bool:
        """Whether the operator made an exception for its origin."""
        return location.origin in self.allow_origins

    def check_url(self, url: str) -> Location:
        """
        Return what *url* names, once it is known that it may be asked for; names are resolved later, and checked then.

        Raises:
            DownloadRefused: It may not.
        """
        location = read_url(url)
        if location.address is not None and not self.allows(location):
            self.check_addresses(location, [location.address])
        return location

    def check_addresses(self, location: Location, addresses: Sequence[Address]) -> tuple[Address, ...]:
        """
        Return those of a host's *addresses* that may be connected to.

        Raises:
            DownloadRefused: None of them.
        """
        if self.allows(location):
            return tuple(addresses)
        problems = [(address, address_problem(address)) for address in addresses]
        public = tuple(address for address, problem in problems if problem is None)
        if not public:
            reason = next((problem for _, problem in problems if problem), "its host has no address")
            raise DownloadRefused(
                f"{location} is refused: {reason}",
                hint=f"where this is meant, allow its origin: --allow-origin {location.origin}",
            )
        return public


def addresses_in(texts: Iterable[str]) -> tuple[Address, ...]:
    """Return the addresses that a resolver gave, each once; what is none is left out."""
    found = (read_address(text) for text in texts)
    return tuple(dict.fromkeys(address for address in found if address is not None))
