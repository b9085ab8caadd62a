"""Where a fetched file may be put in ComfyUI's folder: an allow-list, and no way out of it."""

import stat
from dataclasses import dataclass
from pathlib import Path

from comfypipe.errors import DownloadRefused
from comfypipe.manifest.destinations import destination_problem

_MAX_PART_BYTES = 200
"""Of 255 that file systems take: unfinished files have longer names."""

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    | {f"{name}{number}" for name in ("com", "lpt") for number in "0123456789¹²³"}
)


@dataclass(frozen=True, slots=True)
class Destination:
    """
    A place below ComfyUI's folder that may be filled.

    Attributes:
        parts: ``("input", …)`` or ``("models", FOLDER, …)``.
    """

    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The place relative to ComfyUI's folder, such as ``models/loras/ink.safetensors``."""
        return "/".join(self.parts)

    @property
    def is_model(self) -> bool:
        """Whether it is below ``models``."""
        return self.parts[0] == "models"

    def under(self, base: Path) -> Path:
        """Return the place below *base*; nothing is looked at."""
        return base.joinpath(*self.parts)

    def prepare(self, base: Path) -> Path:
        """
        Make the folders of the place below *base*, and return it.

        Raises:
            DownloadRefused: There is a link, or something that is no folder, on the way; or no plain file at its end.
            OSError: A folder cannot be made.
        """
        folder = base
        for part in self.parts[:-1]:
            folder = folder / part
            folder.mkdir(exist_ok=True, parents=folder.parent == base)
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise DownloadRefused(
                    f"{self.name} is not put in place: {folder} is a link, or no folder",
                    hint="links lead out of ComfyUI's folder: name the folder itself, or make it a mount",
                )
        place = folder / self.parts[-1]
        try:
            plain = stat.S_ISREG(place.lstat().st_mode)
        except FileNotFoundError:
            return place
        if not plain:
            raise DownloadRefused(f"{self.name} is not put in place: {place} is a link, or no file")
        return place


def destination(path: str) -> Destination:
    """
    Return the place that *path* names: ``input/FILE``, ``models/FOLDER/FILE``, also with a slash before it.

    Raises:
        DownloadRefused: It is no such place, leads out of it, or is no name on every system.
    """
    name = path.removeprefix("/")
    if problem := destination_problem(name) or _name_problem(name):
        shown = "".join(sign if sign.isprintable() else "�" for sign in path[:100])
        raise DownloadRefused(f'nothing may be put at "{shown}": {problem}')
    return Destination(tuple(name.split("/")))


def _name_problem(name: str) -> str | None:
    if not name.isprintable():
        return "signs that cannot be seen may not stand in it"
    for part in name.split("/"):
        if len(part.encode()) > _MAX_PART_BYTES:
            return f"a name has at most {_MAX_PART_BYTES} bytes"
        if part.split(".", 1)[0].rstrip().casefold() in _DEVICES:
            return f"{part} is the name of a device on some systems"
    return None
