"""The engine in this process, with stand-ins for the nodes that need a model: ``simulate:``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from comfypipe.backends.base import Submission
from comfypipe.backends.embedded import DEFAULT_OUTPUT_BYTES, EmbeddedBackend, bounds_of, own_registry
from comfypipe.diagnostics import did_you_mean
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.executor import DEFAULT_CACHE_BYTES, Prepared
from comfypipe.engine.registry import NodeClass
from comfypipe.engine.simulation.costs import Costs
from comfypipe.engine.simulation.models import refuse_undeclared
from comfypipe.engine.simulation.registry import simulating_registry
from comfypipe.errors import UsageError
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo, read_object_info

_SETTINGS = ("speed", "seconds", "memory_gb", "catalog", "cache_bytes", "output_bytes", "nodes")
_BY_NAME = ("seconds", "memory_gb")
"""Settings that also take a table; in a URL, ``seconds.KSampler=3``."""

MISSING_HINT = (
    "simulate: stands in for ComfyUI's core classes; for others it needs a catalog: "
    "comfypipe catalog pull --backend http://HOST:8188"
)


class SimulateBackend(EmbeddedBackend):
    """
    Runs prompts in this process. Nodes that need no model run for real, the others give typed placeholders.

    Args:
        folder: As for `EmbeddedBackend`.
        url: What the user called it.
        real: The classes that run for real; all core ones where nothing is said.
        catalogs: What servers offer, for stand-ins of other than core classes.
        costs: What simulated nodes are charged.
    """

    def __init__(
        self,
        folder: Path,
        *,
        url: str = "simulate:",
        real: Mapping[str, NodeClass] | None = None,
        catalogs: tuple[ObjectInfo, ...] = (),
        costs: Costs | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        output_bytes: int | None = DEFAULT_OUTPUT_BYTES,
    ) -> None:
        registry = simulating_registry(core_registry() if real is None else real, catalogs, costs)
        super().__init__(
            folder, registry=registry, cache_bytes=cache_bytes, missing_hint=MISSING_HINT, output_bytes=output_bytes
        )
        self._url = url

    @property
    def url(self) -> str:
        """What the user called it."""
        return self._url

    @property
    def simulated(self) -> bool:
        """Nodes that need a model are stood in for."""
        return True

    def _prepare(self, submission: Submission) -> Prepared:
        prepared = super()._prepare(submission)
        if submission.models is not None:
            refuse_undeclared(prepared.graph, self.engine.registry, submission.models)
        return prepared


def create(url: str, settings: Mapping[str, Any], layout: ProjectLayout) -> SimulateBackend:
    """
    Open ``simulate:``.

    Args:
        url: Settings may stand in its query: ``simulate:?speed=20&memory_gb.T4=16&seconds.KSampler=3``.
        settings: ``speed``, ``seconds`` (by class), ``memory_gb`` (a number, or by accelerator), ``catalog`` (a file,
            from the project's root), ``nodes``, ``cache_bytes``, ``output_bytes``.
        layout: Says where the engine keeps its files, and the catalogs.

    Raises:
        UsageError: A setting that there is not, or a value that it cannot have.
    """
    return create_in(layout.engine, url, settings, layout)


def create_in(folder: Path, url: str, settings: Mapping[str, Any], layout: ProjectLayout) -> SimulateBackend:
    """Open ``simulate:`` with its files in *folder*; the rest as `create`."""
    asked = _asked(url, settings)
    return SimulateBackend(
        folder,
        url=url,
        real=own_registry(asked.get("nodes", ()), layout),
        catalogs=_catalogs(layout, asked.get("catalog")),
        costs=costs_of(asked),
        **bounds_of(asked),
    )


def costs_of(asked: Mapping[str, Any]) -> Costs:
    """
    Read what is charged.

    Raises:
        UsageError: A value is no number, or not above zero.
    """
    memory = asked.get("memory_gb")
    by_name = {each: _number("memory_gb", value) for each, value in memory.items()} if isinstance(memory, dict) else {}
    everywhere = by_name.pop("", None) if isinstance(memory, dict) else memory
    seconds = asked.get("seconds", {})
    if not isinstance(seconds, dict):
        raise UsageError("simulate: seconds goes by class", hint="seconds.KSampler=3, or seconds = {KSampler = 3}")
    return Costs(
        speed=None if asked.get("speed") is None else _number("speed", asked["speed"]),
        seconds={name: _number("seconds", value, least=0.0) for name, value in seconds.items()},
        memory_gb=None if everywhere is None else _number("memory_gb", everywhere),
        accelerator_gb=by_name,
    )


def _number(name: str, value: Any, least: float | None = None) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (number > 0 or number == least) or number == float("inf"):
        raise UsageError(f"simulate: {name} takes a number above 0, not {value!r}")
    return number


def _asked(url: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    asked = {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}
    for key, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        name, _, part = key.partition(".")
        if part and name in _BY_NAME:
            table = asked.get(name, {})
            asked[name] = (table if isinstance(table, dict) else {"": table}) | {part: value}
        elif name == "memory_gb" and isinstance(asked.get(name), dict):
            asked[name][""] = value
        else:
            asked[key] = value
    for name in asked:
        if name not in _SETTINGS:
            hint = did_you_mean(name, _SETTINGS) or f"settings are {', '.join(_SETTINGS)}"
            raise UsageError(f'simulate: has no setting "{name}"', hint=hint)
    return asked


def _catalogs(layout: ProjectLayout, named: object) -> tuple[ObjectInfo, ...]:
    if named is not None:
        return (read_object_info(layout.root / str(named)),)
    folder = layout.catalogs
    return tuple(read_object_info(each) for each in sorted(folder.glob("*.json"))) if folder.is_dir() else ()
