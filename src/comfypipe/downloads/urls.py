"""URLs that somebody gave: one spelling each, what they may not hold, and how messages show them."""

import re
from dataclasses import dataclass

import httpx

from comfypipe.downloads.addresses import Address, read_address
from comfypipe.errors import DownloadRefused

PORTS = {"http": 80, "https": 443}
_MAX_CHARACTERS = 8192
_MAX_HOST_CHARACTERS = 253
_UNUSABLE = re.compile(r"[\s\x00-\x20\x7f\\\ud800-\udfff]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SIGNS = 24


@dataclass(frozen=True, slots=True)
class Location:
    """
    A URL in its one spelling.

    Attributes:
        url: What is requested; without user, password and fragment.
        origin: Scheme, host and port, such as ``https://example.com:443``.
        address: The host, where it is given as an address and not as a name.
    """

    url: httpx.URL
    origin: str
    address: Address | None

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return self.url.scheme

    @property
    def host(self) -> str:
        """Its name in ASCII, or its address."""
        return self.url.raw_host.decode("ascii")

    def __str__(self) -> str:
        return redacted(str(self.url))


def read_url(text: str) -> Location:
    """
    Return what a URL names, in its one spelling.

    Raises:
        DownloadRefused: It is no http(s) URL, holds a user name or password, or spells its host in a way that some
            program reads otherwise than another: numbers in octal, hexadecimal or one piece, zones, escapes.
    """
    if len(text) > _MAX_CHARACTERS or _UNUSABLE.search(text):
        raise _refused(text, "it is too long, or holds spaces, backslashes or control characters")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):  # whose words may hold parts of a password
        raise _refused(text, "it is no URL, or its host is none") from None
    if url.scheme not in PORTS:
        raise _refused(text, "it begins with neither https:// nor http://")
    if url.userinfo or "@" in text.split("://", 1)[-1].split("/", 1)[0]:  # wherever a host may be read
        raise _refused(text, "a user name or password does not belong in it")
    host, address = _host(text, url)
    port = url.port if url.port is not None else PORTS[url.scheme]
    if not 0 < port < 1 << 16:
        raise _refused(text, f"there is no port {port}")
    spelled = url.copy_with(host=host, fragment=None)
    shown = f"[{host}]" if ":" in host else host
    return Location(spelled, f"{url.scheme}://{shown}:{port}", address)


def read_origin(text: str) -> str:
    """
    Return an origin in its one spelling.

    Raises:
        DownloadRefused: It is none: there is a path, a query or a user, or it is no http(s) URL.
    """
    location = read_url(text)
    if location.url.raw_path not in (b"", b"/") or "#" in text or "*" in text:
        raise _refused(text, "an origin is scheme, host and port only, such as https://files.example.com:8443")
    return location.origin


def redacted(url: str) -> str:
    """Return *url* as messages show it: without user, query and fragment, where keys and signatures stand."""
    before, separator, rest = url.partition("://")
    if not separator:
        return url[:_SIGNS]
    authority, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    query = "?…" if "?" in rest else ""
    shown = f"{before}://{authority.rpartition('@')[2]}{slash}{path}"
    return "".join(sign if sign.isprintable() else "�" for sign in shown[:300]) + query


def _host(text: str, url: httpx.URL) -> tuple[str, Address | None]:
    host = url.raw_host.decode("ascii").lower().removesuffix(".")
    if not host or len(host) > _MAX_HOST_CHARACTERS:
        raise _refused(text, "it names no host")
    address = read_address(host)
    if address is not None:
        if "%" in host:
            raise _refused(text, "an address with a zone belongs to one machine only")
        return str(address), address
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused(text, f'"{host[:60]}" is no name of a host')
    if _NUMBER.fullmatch(labels[-1]):  # inet_aton reads such names as addresses
        raise _refused(text, "its host is a number that is no address in the usual spelling")
    return host, None


def _refused(url: str, problem: str) -> DownloadRefused:
    return DownloadRefused(f"{redacted(url)} is refused: {problem}")
