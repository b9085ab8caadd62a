"""Which backend a URL means: a lazy table, so that only the one that is used is imported."""

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from comfypipe.backends.base import Backend
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import UsageError
from comfypipe.project import ProjectLayout

SCHEMES: Mapping[str, str] = {
    "embedded": "comfypipe.backends.embedded",
    "simulate": "comfypipe.backends.simulate",
    "http": "comfypipe.backends.comfyui",
    "https": "comfypipe.backends.comfyui",
    "comfyicu": "comfypipe.backends.comfyicu",
    "comfyicu+https": "comfypipe.backends.comfyicu",
    "comfyicu+http": "comfypipe.backends.comfyicu",
}
"""By URL scheme, the module whose ``create(url, settings, layout)`` opens it."""

_FLEET = "comfypipe.backends.comfyui.fleet_settings"

OpenBackend = Callable[[str, ProjectLayout], Backend]


def open_backend(url_or_name: str, layout: ProjectLayout, more: Mapping[str, Any] | None = None) -> Backend:
    """
    Open the backend at a URL, or the one that the project's settings give this name.

    Several URLs with commas between them are a fleet of servers.

    Args:
        more: Settings besides those that the project gives it.

    Raises:
        UsageError: No such name, or no backend for URLs of this kind.
    """
    url, settings = resolve(url_or_name, layout.settings.backends)
    scheme = _scheme(url)
    if scheme is None or scheme not in SCHEMES:
        raise _unknown(url_or_name, scheme, layout.settings.backends)
    module = _FLEET if "servers" in settings or len(split_urls(url)) > 1 else SCHEMES[scheme]
    backend: Backend = import_module(module).create(url, {**settings, **(more or {})}, layout)
    return backend


def split_urls(url: str) -> list[str]:
    """Return the URLs of a list with commas; a comma within one of them, as in a password, parts nothing."""
    return re.split(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*:)", url.strip())


class BackendPool:
    """
    The backends that a project has open: each is opened when it is first asked for, and once.

    Args:
        opener: What opens one; another than `open_backend` brings backends of one's own.
    """

    def __init__(self, layout: ProjectLayout, opener: OpenBackend = open_backend) -> None:
        self._layout = layout
        self._opener = opener
        self._open: dict[str, Backend] = {}

    def get(self, url_or_name: str) -> Backend:
        """Return the backend of this URL or name, opened where it is not open yet."""
        if url_or_name not in self._open:
            backend = self._opener(url_or_name, self._layout)
            self._open[url_or_name] = backend
            self._open.setdefault(backend.url, backend)  # by what the ledger keeps too: the URL without credentials
        return self._open[url_or_name]

    async def close(self) -> None:
        """Close them all."""
        backends = {id(backend): backend for backend in self._open.values()}
        self._open.clear()
        for backend in backends.values():
            await backend.close()


def resolve(url_or_name: str, named: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """
    Return the URL that is meant, and the settings that go with it.

    A URL that one of *named* has, credentials aside, is that one: the ledger keeps URLs alone.

    Args:
        named: The backends of the project's settings.

    Raises:
        UsageError: The one of that name has no URL.
    """
    entry = named.get(url_or_name) or _having(url_or_name, named) or url_or_name
    if isinstance(entry, str):
        return entry, {}
    url = _url_of(entry)
    if url is None:
        raise UsageError(
            f'the backend "{url_or_name}" has no url',
            hint=f'add url = "…", or a list of servers, to [tool.comfypipe.backends.{url_or_name}]',
        )
    return url, {key: value for key, value in entry.items() if key != "url"}


def _having(url: str, named: Mapping[str, Any]) -> Any:
    """Return the entry that has this URL, if any; a URL with credentials of its own is nobody's."""
    if "@" in url:
        return None
    urls = {name: _url_of(entry) if isinstance(entry, Mapping) else entry for name, entry in named.items()}
    return next((named[name] for name, each in urls.items() if each and _shown(each) == _shown(url)), None)


def _shown(url: str) -> str:
    """Return a URL as backends show it: without credentials, and without what it has anyway."""
    plain = re.sub(r"(?<=//)[^/,@]*@", "", url).rstrip("/")
    api = re.fullmatch(r"(comfyicu\+https?://[^/?]+)(\?.*)?", plain, re.IGNORECASE)
    return f"{api[1]}/api/v1{api[2] or ''}" if api else plain


def _url_of(entry: Mapping[str, Any]) -> str | None:
    """Return the URL of an entry; of one with several servers, all of them with commas."""
    several = entry.get("servers", entry.get("url"))
    if not isinstance(several, list):
        return several if isinstance(several, str) else None
    urls = [each.get("url") if isinstance(each, Mapping) else each for each in several]
    texts = [each for each in urls if isinstance(each, str)]
    return ",".join(texts) if texts and len(texts) == len(urls) else None


def _scheme(url: str) -> str | None:
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", url)
    return match[1].lower() if match else None


def _unknown(given: str, scheme: str | None, named: Mapping[str, Any]) -> UsageError:
    urls = [f"{each}:" for each in SCHEMES]
    available = f"this version has {', '.join(urls)}" + (f"; the project names {', '.join(named)}" if named else "")
    if scheme is None:
        similar = did_you_mean(given, [*named, *urls])
        return UsageError(f'no backend is called "{given}"', hint=f"{similar} ({available})" if similar else available)
    return UsageError(f"this version of comfypipe has no backend for {scheme}: URLs", hint=available)
