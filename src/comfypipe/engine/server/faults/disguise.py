"""Names of output files that would lead a careless client out of its folder."""

from itertools import count

from comfypipe._types import JSONObject
from comfypipe.engine.files import shown_files

HOSTILE = (
    "../../escape.png",
    "/tmp/escape.png",  # noqa: S108  a name that a client is offered, not one that is used
    "..\\..\\escape.png",
    "C:\\escape.png",
    "CON.png",
    "sub/../../escape.png",
    "line\nbreak.png",
    "null\0byte.png",
    f"{'long' * 80}.png",
    "..",
    "",
)
"""Played one after the other, where no name is given."""


class Disguise:
    """Gives files hostile names, and knows what they were called."""

    def __init__(self) -> None:
        self._numbers = count()
        self._real: dict[str, JSONObject] = {}

    def apply(self, ui: JSONObject, name: str = "") -> JSONObject:
        """Return what a node shows, with every file called *name*, or by the next hostile name."""
        masked = {id(entry): self._mask(entry, name) for _, entry in shown_files(ui)}
        return {
            key: [masked.get(id(each), each) for each in items] if isinstance(items, (list, tuple)) else items
            for key, items in ui.items()
        }

    def real(self, name: str) -> JSONObject | None:
        """Return the entry of the file that was last given this name."""
        return self._real.get(name)

    def _mask(self, entry: JSONObject, name: str) -> JSONObject:
        chosen = name or HOSTILE[next(self._numbers) % len(HOSTILE)]
        self._real[chosen] = entry
        return {**entry, "filename": chosen}
