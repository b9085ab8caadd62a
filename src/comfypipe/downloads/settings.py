"""``[tool.comfypipe.downloads]``: what may be fetched, how much of it, and where it is kept."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from comfypipe.downloads.cache import DownloadCache
from comfypipe.downloads.credentials import Credentials
from comfypipe.downloads.guard import AddressPolicy
from comfypipe.downloads.limits import GIB, Limits
from comfypipe.errors import DownloadRefused, ProjectError
from comfypipe.project import ProjectLayout

_Bytes = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class DownloadSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What the project says of downloads.

    Attributes:
        allow_origins: Origins that may be anywhere, on this machine and in its network too.
        max_bytes: Of one file.
        cache_bytes: Of all kept files together.
        cache: Folder of the kept files; several projects may share one. Without it, in the project's state.
        fresh_s: A URL that was asked this long ago at most is not asked again.
        allow_pickle: Whether models may be files that run code when they are loaded.
        comfyui: ComfyUI's folder, where models are looked for and put; without it, the project's root.
    """

    allow_origins: tuple[str, ...] = ()
    max_bytes: _Bytes = 64 * GIB
    cache_bytes: _Bytes = 50 * GIB
    cache: str | None = None
    fresh_s: _Seconds = 60.0
    allow_pickle: bool = False
    comfyui: str | None = None

    @classmethod
    def of(cls, layout: ProjectLayout) -> "DownloadSettings":
        """
        Return the settings of a project.

        Raises:
            ProjectError: They cannot be used.
        """
        return cls.read(layout.settings.downloads)

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> "DownloadSettings":
        """
        Return the settings that a table holds.

        Raises:
            ProjectError: They cannot be used.
        """
        try:
            settings = msgspec.convert(dict(table), cls)
            AddressPolicy(frozenset(settings.allow_origins))
        except msgspec.ValidationError as error:
            known = ", ".join(cls.__struct_fields__)
            raise ProjectError(f"[tool.comfypipe.downloads]: {error}", hint=f"settings are {known}") from None
        except DownloadRefused as error:
            raise ProjectError(f"[tool.comfypipe.downloads] allow_origins: {error.message}") from None
        return settings

    def policy(self, more_origins: Iterable[str] = ()) -> AddressPolicy:
        """Return which addresses may be connected to."""
        return AddressPolicy(frozenset(self.allow_origins)).with_origins(more_origins)

    def folder(self, layout: ProjectLayout) -> Path:
        """Return where fetched files are kept."""
        return layout.root / Path(self.cache).expanduser() if self.cache else layout.state / "downloads"

    def base(self, layout: ProjectLayout) -> Path:
        """Return the folder that ``input`` and ``models`` are below."""
        return layout.root / Path(self.comfyui).expanduser() if self.comfyui else layout.root


def open_cache(
    layout: ProjectLayout, settings: DownloadSettings, *, allow_origins: Iterable[str] = ()
) -> DownloadCache:
    """
    Open the cache of a project, with the keys that the environment holds.

    Args:
        allow_origins: Origins that may be anywhere, besides those of the settings.

    Raises:
        DownloadRefused: One of them is no origin.
    """
    return DownloadCache(
        settings.folder(layout),
        settings.policy(allow_origins),
        max_bytes=settings.cache_bytes,
        limits=Limits(max_bytes=settings.max_bytes),
        credentials=Credentials.from_environment(),
        fresh_s=settings.fresh_s,
    )
