"""Keys of backends that are kept in Prefect blocks: read when a project is opened for a flow."""

from collections.abc import Mapping
from typing import Any

from comfypipe.backends.base import Backend
from comfypipe.backends.registry import OpenBackend, open_backend, resolve
from comfypipe.errors import UsageError
from comfypipe.orchestration.blocks import ComfyICUCredentials
from comfypipe.project import ProjectLayout

SETTING = "block"
"""In ``[tool.comfypipe.backends.NAME]``: the name of the block that holds its key."""


async def opener_of(layout: ProjectLayout) -> OpenBackend:
    """
    Return what opens the backends of a project, those whose keys are in blocks with them.

    Raises:
        UsageError: There is no such block.
    """
    blocks = {each for each in map(_block, layout.settings.backends.values()) if each is not None}
    if not blocks:
        return open_backend
    loaded = {name: (await _load(name)).get_settings() for name in sorted(blocks)}

    def opened(url_or_name: str, project: ProjectLayout) -> Backend:
        settings = resolve(url_or_name, project.settings.backends)[1]
        kept = loaded.get(_block(settings) or "", {})
        return open_backend(url_or_name, project, {key: kept[key] for key in kept.keys() - settings.keys()})

    return opened


def _block(settings: Any) -> str | None:
    name = settings.get(SETTING) if isinstance(settings, Mapping) else None
    return name if isinstance(name, str) else None


async def _load(name: str) -> ComfyICUCredentials:
    try:
        return await ComfyICUCredentials.aload(name)
    except ValueError as error:
        raise UsageError(
            f'Prefect has no block comfyicu-credentials/{name}, which {SETTING} = "{name}" names',
            hint=f'ComfyICUCredentials(api_key=…).save("{name}") makes it',
        ) from error
