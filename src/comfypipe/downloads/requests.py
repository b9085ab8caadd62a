"""One GET under guard, its redirects followed here: every hop is checked, and keys stay where they belong."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from comfypipe.downloads.credentials import Credentials, Token
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.limits import Limits
from comfypipe.downloads.urls import Location, redacted
from comfypipe.errors import DownloadMissing, DownloadRefused

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OWN = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "comfypipe"}


@dataclass(frozen=True, slots=True)
class Source:
    """
    Where a file comes from.

    Attributes:
        headers: Sent to the URL's own origin only: they may hold keys.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return redacted(self.url)


@dataclass(frozen=True, slots=True)
class Opener:
    """What opens URLs: a guarded client, and what it may do."""

    client: httpx.AsyncClient
    policy: AddressPolicy
    limits: Limits
    credentials: Credentials = field(default_factory=Credentials)

    @asynccontextmanager
    async def open(self, source: Source, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """
        Yield the reply to a GET, after its redirects; the body is not read yet.

        Args:
            headers: Sent at every hop.

        Raises:
            DownloadRefused: A hop leads where nothing may be fetched from, from https to http, or there are too many.
            DownloadMissing: A redirect leads nowhere.
            httpx.TransportError: The connection cannot be made, or broke off.
        """
        hop = _Hop(self.policy.check_url(source.url), source.headers)
        hop.token = self.credentials.token_for(hop.location)
        for _ in range(self.limits.redirects + 1):
            request = self.client.build_request("GET", hop.location.url, headers=hop.sent(headers))
            response = await self.client.send(request, stream=True)
            try:
                if response.status_code not in _REDIRECTS:
                    yield response
                    return
                hop.follow(response, self.policy)
            finally:
                await response.aclose()
        raise DownloadRefused(f"{source} is refused: it redirects more than {self.limits.redirects} times")


@dataclass(slots=True)
class _Hop:
    """Where a chain of redirects is, and what may be sent there."""

    location: Location
    headers: Mapping[str, str]
    token: Token | None = None

    def sent(self, headers: Mapping[str, str]) -> httpx.Headers:
        """Return all headers for this hop; what the asker gave takes the place of our keys."""
        found = httpx.Headers(_OWN)
        found.update(self.token.header if self.token else {})
        found.update(self.headers)
        found.update(headers)
        return found

    def follow(self, response: httpx.Response, policy: AddressPolicy) -> None:
        """Go on to where *response* redirects; what may not be sent there is dropped for good."""
        found = self._target(response, policy)
        if self.location.scheme == "https" and found.scheme != "https":
            raise DownloadRefused(f"{self.location} is refused: it redirects from https to {found}")
        if found.origin != self.location.origin:
            self.headers = {}
        if self.token is not None and found.origin not in self.token.origins:
            self.token = None
        self.location = found

    def _target(self, response: httpx.Response, policy: AddressPolicy) -> Location:
        text = response.headers.get("location", "")
        try:
            target = self.location.url.join(text)
        except (httpx.InvalidURL, ValueError):
            raise DownloadMissing(f"{self.location} redirects to no URL") from None
        if not text or "\\" in text:
            raise DownloadMissing(f"{self.location} redirects to no URL")
        return policy.check_url(str(target))
