"""The commands, a file each, which is imported when its command is asked for, or when all of them are shown."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import typer

_COMMANDS: Mapping[str, str] = {
    "init": "init:init",
    "import": "import_:import_",
    "list": "list:list_",
    "show": "show:show",
    "schema": "schema:schema",
    "render": "render:render",
    "validate": "validate:validate",
    "graph": "graph:graph",
    "diff": "diff:diff",
    "run": "run:run",
    "report": "report:report",
    "serve": "serve:serve",
    "engine": "engine:engine",
    "doctor": "doctor:doctor",
}
_GROUPS: Mapping[str, str] = {
    "batch": "batch:group",
    "runs": "runs:group",
    "models": "models:group",
    "keys": "keys:group",
    "catalog": "catalog:group",
}


def commands(asked: str | None) -> dict[str, Callable[..., Any]]:
    """Return the commands by name: the one that was *asked* for, or all where there is none of that name."""
    return _loaded(_COMMANDS, asked)


def groups(asked: str | None) -> dict[str, typer.Typer]:
    """Return the groups of commands by name, as `commands` does."""
    return _loaded(_GROUPS, asked)


def _loaded(places: Mapping[str, str], asked: str | None) -> dict[str, Any]:
    known = asked in _COMMANDS or asked in _GROUPS
    return {name: _load(place) for name, place in places.items() if name == asked or not known}


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), name)
