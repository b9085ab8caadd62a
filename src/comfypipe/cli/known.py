"""What is known of nodes without asking a server; nodes of one's own only when a class is not among the rest."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from comfypipe._types import JSONObject
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import NodeInfo, ObjectInfo

_ENTRY_POINTS = b"[comfypipe.nodes]"


def own_nodes(layout: ProjectLayout | None) -> JSONObject:
    """
    Return what ``object_info`` says of the node classes of installed packages, and of those that the project names.

    Raises:
        UsageError: One of them cannot be loaded.
    """
    named = () if layout is None else _named_nodes(layout)
    if not named and not any(_ENTRY_POINTS in each for each in _installed()):
        return {}
    from comfypipe.engine.custom import installed_nodes, loaded_nodes  # imports numpy, which most checks need not
    from comfypipe.engine.registry import describe

    loaded = () if layout is None else loaded_nodes(named, layout.root)
    return {each.class_type: describe(each) for each in (*installed_nodes(), *loaded)}


def _named_nodes(layout: ProjectLayout) -> tuple[str, ...]:
    """Return the modules and files with node classes that the project's settings give to an engine, each once."""
    found: dict[str, None] = {}
    for settings in layout.settings.backends.values():
        nodes = () if isinstance(settings, str) else settings.get("nodes", ())
        found.update(dict.fromkeys([nodes] if isinstance(nodes, str) else nodes))
    return tuple(found)


def _installed() -> Iterator[bytes]:
    """Yield what packages say of their entry points; importing the library that reads them would take too long."""
    for folder in filter(os.path.isdir, sys.path):
        for entry in os.scandir(folder):
            if entry.name.endswith((".dist-info", ".egg-info")):
                with suppress(OSError):
                    yield Path(entry.path, "entry_points.txt").read_bytes()


class Known(ObjectInfo):
    """
    An object_info that grows once: when somebody asks for a class that it does not have.

    Args:
        more: Describes further classes. Loading them takes time, which most checks need not.
    """

    def __init__(self, raw: JSONObject, more: Callable[[], JSONObject], *, missing_hint: str) -> None:
        super().__init__(dict(raw), missing_hint=missing_hint)
        self._more: Callable[[], JSONObject] | None = more

    def __contains__(self, class_type: object) -> bool:
        if not super().__contains__(class_type) and self._more is not None:
            more, self._more = self._more, None
            for name, entry in more().items():
                self._raw.setdefault(name, entry)
        return super().__contains__(class_type)

    def __getitem__(self, class_type: str) -> NodeInfo:
        if class_type not in self:
            raise KeyError(class_type)
        return super().__getitem__(class_type)
