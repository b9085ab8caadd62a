"""A fleet as the project's settings describe it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import msgspec

from comfypipe.backends.base import Backend
from comfypipe.backends.comfyui.fleet import FleetBackend
from comfypipe.backends.comfyui.health import FleetTiming
from comfypipe.backends.comfyui.member import Server
from comfypipe.backends.registry import open_backend, split_urls
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import UsageError
from comfypipe.project import ProjectLayout

_OF_SERVER = ("url", "accelerator", "depth")
_BLOCKED_S = 55.0  # where there is an elsewhere, nobody waits for longer behind what may never end
_OF_TIMING = tuple(each.name for each in fields(FleetTiming))


def create(url: str, settings: Mapping[str, Any], layout: ProjectLayout) -> FleetBackend:
    """
    Open several servers as one backend.

    Args:
        url: Their URLs, with commas between them.
        settings: ``servers``, a list of URLs or of tables with ``url``, ``accelerator`` and ``depth``, in place of
            *url*; ``accelerator`` and ``depth`` of those that have none of their own; the fields of `FleetTiming`. What
            else there is, each server's own backend takes.

    Raises:
        UsageError: The settings are wrong.
    """
    entries = [_entry(each) for each in settings.get("servers", split_urls(url))]
    common = {key: value for key, value in settings.items() if key != "servers" and key not in _OF_TIMING}
    servers = [_server({**common, **each}, layout) for each in entries]
    return FleetBackend(servers, timing=_timing(settings))


def _entry(entry: object) -> Mapping[str, Any]:
    if isinstance(entry, str):
        return {"url": entry}
    if isinstance(entry, Mapping) and isinstance(entry.get("url"), str):
        return entry
    raise UsageError("a server of a fleet is a URL, or a table with url", hint='write { url = "http://HOST:8188" }')


def _server(entry: Mapping[str, Any], layout: ProjectLayout) -> Server:
    accelerator, depth = entry.get("accelerator"), entry.get("depth")
    if accelerator is not None and not isinstance(accelerator, str):
        raise UsageError(f"{entry['url']}: accelerator takes text", hint='such as "L4": what that one server has')
    if depth is not None and (not isinstance(depth, int) or isinstance(depth, bool)):
        raise UsageError(f"{entry['url']}: depth takes a whole number", hint="how many prompts it holds at once")
    own = {key: value for key, value in entry.items() if key not in _OF_SERVER}
    if entry["url"].startswith("http"):
        own.setdefault("blocked_s", _BLOCKED_S)
    # By its URL alone: a fleet of one server has the same, and would be asked for again.
    nameless = msgspec.structs.replace(layout, settings=msgspec.structs.replace(layout.settings, backends={}))
    backend = _explained(lambda: open_backend(entry["url"], nameless, own), own)
    return Server(backend, backend.url, accelerator, depth)


def _explained(opened: Callable[[], Backend], own: Mapping[str, Any]) -> Backend:
    """Where a setting is no backend's, it may be a slip in one of ours."""
    try:
        return opened()
    except UsageError as error:
        meant = (did_you_mean(key, [*_OF_SERVER, "servers", *_OF_TIMING]) for key in own)
        raise UsageError(error.message, hint=next(filter(None, meant), error.hint)) from error


def _timing(settings: Mapping[str, Any]) -> FleetTiming:
    given = {key: settings[key] for key in _OF_TIMING if key in settings}
    for key, value in given.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise UsageError(f"{key} of a fleet takes a number of seconds above 0")
    return FleetTiming(**given)
