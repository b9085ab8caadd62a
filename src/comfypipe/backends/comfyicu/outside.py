"""Files that runs made, wherever they lie: fetched under guard, the key sent to the API alone."""

import secrets
from pathlib import Path
from urllib.parse import urljoin

from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.limits import Limits
from comfypipe.downloads.partial import Partial
from comfypipe.downloads.requests import Opener, Source
from comfypipe.downloads.transfer import Transfer
from comfypipe.downloads.transport import guarded_client
from comfypipe.downloads.urls import read_url
from comfypipe.errors import DownloadMissing


class Outputs:
    """
    Fetches what runs made.

    Args:
        base: URL of the API: its own origin may lie on a private network.
        key: Sent to that origin, and nowhere else.
        policy: Where connections to other hosts may go.
    """

    def __init__(self, base: str, key: str | None, policy: AddressPolicy, limits: Limits | None = None) -> None:
        self._base = f"{base}/"
        self._origin = read_url(base).origin
        self._key = key
        allowed = policy.with_origins([self._origin])
        self._opener = Opener(guarded_client(allowed, timeout=30.0), allowed, limits or Limits())

    def absolute(self, url: str) -> str:
        """Return a URL in full; those of files at the API's own host may come without it."""
        return urljoin(self._base, url)

    async def download(self, url: str, destination: Path) -> bool:
        """
        Write a file to *destination*: whole, or not at all; False when it is not to be had.

        Raises:
            DownloadRefused: Its host is none that may be connected to, or it is too large.
            DownloadFailed: It broke off too often.
            StoreError: There is no room for it.
        """
        own = self._key is not None and read_url(url).origin == self._origin
        headers = {"authorization": f"Bearer {self._key}"} if own else {}
        partial = Partial(destination.parent / f".partial-{secrets.token_hex(8)}")
        try:
            await Transfer(self._opener, Source(url, headers), partial).run()
            partial.path.replace(destination)
        except DownloadMissing:
            return False
        finally:
            partial.remove()
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._opener.client.aclose()
