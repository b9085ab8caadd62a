"""The project: its root folder, found upward, its settings, and where its files lie."""

import os
import tomllib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct

from comfypipe.diagnostics import Source, did_you_mean
from comfypipe.errors import ProjectError, ProjectNotFound

SETTINGS_FILE = "pyproject.toml"
_TABLE = "tool.comfypipe"


class Settings(Struct, frozen=True):
    """
    ``[tool.comfypipe]`` of ``pyproject.toml``.

    Attributes:
        workflows: Folder of the templates and exports; what they include is looked up there.
        manifests: Folder of the manifests.
        backend: Where runs go when nothing else says so: a URL, or a name among *backends*.
        backends: By name, a URL, or a table with ``url`` (for a fleet a list of them, or ``servers``) and what that
            kind of backend takes besides.
        prices: By accelerator, the price of a second; ``default`` is that of all others.
        catalogs: Folder of kept ``object_info`` files that the repository shares; None when there is none.
        downloads: What may be fetched, how much of it, and where it is kept: `comfypipe.downloads.settings`.
    """

    workflows: str = "workflows"
    manifests: str = "manifests"
    backend: str = "embedded:"
    backends: Mapping[str, str | Mapping[str, Any]] = {}
    prices: Mapping[str, float] = {}
    catalogs: str | None = None
    downloads: Mapping[str, Any] = {}


class ProjectLayout(Struct, frozen=True, dict=True):
    """
    A project: its root and its settings.

    Attributes:
        root: Absolute path of the folder that holds ``pyproject.toml``.
    """

    root: Path
    settings: Settings = Settings()

    @classmethod
    def find(cls, start: Path | None = None) -> "ProjectLayout":
        """
        Return the project that *start* (the working directory) lies in.

        Raises:
            ProjectNotFound: No ``pyproject.toml`` with ``[tool.comfypipe]`` there or above.
            ProjectError: Its settings cannot be used.
        """
        begin = Path(start or Path.cwd()).absolute()
        for folder in (begin, *begin.parents):
            if (folder / SETTINGS_FILE).is_file() and (table := _read_table(folder / SETTINGS_FILE)) is not None:
                return cls(folder, _settings(table, folder / SETTINGS_FILE))
        raise ProjectNotFound(
            f"no {SETTINGS_FILE} with [{_TABLE}] in {begin} or above it",
            hint="run `comfypipe init` here, or go to a project's folder",
        )

    @cached_property
    def workflows(self) -> Path:
        """Folder of the templates and exports."""
        return self.root / self.settings.workflows

    @cached_property
    def manifests(self) -> Path:
        """Folder of the manifests."""
        return self.root / self.settings.manifests

    def file(self, name: str) -> tuple[Path, str]:
        """Return the project's file of this name, a path below the root, and what messages call it."""
        if name not in self._files:
            path = self.root / name
            self._files[name] = path, self.show(path)
        return self._files[name]

    @cached_property
    def _files(self) -> dict[str, tuple[Path, str]]:
        return {}  # each row of a batch asks for its template, and nothing else does

    @property
    def state(self) -> Path:
        """``.comfypipe``: what is kept on disk, hidden from git; made when it is first asked for."""
        folder = self.root / ".comfypipe"
        if not (folder / ".gitignore").is_file():
            _make_state(folder)
        return folder

    @property
    def ledger(self) -> Path:
        """The database of runs."""
        return self.state / "ledger.sqlite3"

    @property
    def artifacts(self) -> Path:
        """Folder of the stored files, named by content."""
        return self.state / "artifacts"

    @property
    def engine(self) -> Path:
        """Folder of the embedded engine's input, output and temp folders."""
        return self.state / "engine"

    @property
    def catalogs(self) -> Path:
        """Folder of kept ``object_info`` files."""
        return self.root / self.settings.catalogs if self.settings.catalogs else self.state / "catalogs"

    def show(self, path: Path) -> str:
        """Return *path* as messages show it: relative to the root where it lies below it, with forward slashes."""
        whole = os.path.normpath(path if path.is_absolute() else self.root / path)
        below = f"{self.root}{os.sep}"
        if whole.startswith(below):  # as nearly all do: every prompt that is rendered asks
            return whole.removeprefix(below).replace(os.sep, "/")
        absolute = Path(whole)
        return absolute.relative_to(self.root).as_posix() if absolute.is_relative_to(self.root) else absolute.as_posix()


def _make_state(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise ProjectError(
            f"{folder} cannot be made: {error.strerror}", hint="runs, stored files and catalogs are kept there"
        ) from error


def _read_table(path: Path) -> dict[str, Any] | None:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{path} is not TOML: {error}", hint="mend it, then try again") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} cannot be read: {error}") from error
    tool = document.get("tool")
    table = tool.get("comfypipe") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def _settings(table: Mapping[str, Any], path: Path) -> Settings:
    known = list(Settings.__struct_fields__)
    for key, value in table.items():
        if key not in known:
            hint = did_you_mean(key, known) or f"settings are {', '.join(known)}"
            raise ProjectError(f'[{_TABLE}] has no setting "{key}"', hint=hint, source=_place(path, key))
        if problem := _problem(key, value):
            raise ProjectError(problem, source=_place(path, key))
    return Settings(**table)


def _problem(key: str, value: object) -> str | None:
    if key == "backends":
        if isinstance(value, dict) and all(_is_backend(each) for each in value.values()):
            return None
        return "backends takes a table: a URL by name, or a table with url by name"
    if key == "downloads":
        return None if isinstance(value, dict) else "downloads takes a table"
    if key == "prices":
        if isinstance(value, dict) and all(_is_price(each) for each in value.values()):
            return None
        return "prices takes a table: the price of a second by accelerator, such as L4 = 0.0002"
    if not isinstance(value, str) or not value:
        return f"{key} takes text"
    if key != "backend" and (Path(value).is_absolute() or ".." in Path(value).parts):
        return f"{key} takes a folder inside the project"
    return None


def _is_backend(value: object) -> bool:
    if isinstance(value, dict):
        return any(isinstance(value.get(key), kinds) for key, kinds in (("url", str | list), ("servers", list)))
    return isinstance(value, str) and bool(value)


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _place(path: Path, key: str) -> Source:
    """Find the line on which *key* is set; tomllib does not tell."""
    inside = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if text.startswith("["):
            name = text.strip("[] ").replace('"', "").replace(" ", "")
            inside = name == _TABLE
            if name == f"{_TABLE}.{key}":
                return Source(path.name, number, line.index("[") + 1)
        elif inside and text.split("=", 1)[0].strip().strip("\"'").split(".", 1)[0] == key:
            return Source(path.name, number, len(line) - len(line.lstrip()) + 1)
    return Source(path.name, 1, 1)
