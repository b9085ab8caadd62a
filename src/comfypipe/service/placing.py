"""Files that come with a run: brought here, given places of their own, and the prompt told of them."""

import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ComfypipeError
from comfypipe.execution.together import settle
from comfypipe.manifest.values import FileValue
from comfypipe.plan.steps import PlacedFile

Bring = Callable[[str, str], Coroutine[Any, Any, FileValue]]
"""Brings a URL's file to this machine, meant for a place relative to ComfyUI's folder."""


class Brings(Protocol):
    """What brings files: `service.fetching.Fetcher`."""

    @property
    def takes_urls(self) -> bool:
        """Whether the backend fetches files itself."""

    async def bring(self, url: str, path: str) -> FileValue:
        """Bring a URL's file to this machine, meant for a place relative to ComfyUI's folder."""

    async def put_model(self, path: str, file: FileValue) -> str | None:
        """Put a model in place, and return its name for nodes where that is another one now."""


@dataclass(frozen=True, slots=True)
class Placed:
    """
    A prompt whose files are here.

    Attributes:
        download_ms: How long it took to bring them.
    """

    prompt: JSONObject
    files: tuple[PlacedFile, ...]
    download_ms: int


async def place(prompt: JSONObject, files: Mapping[str, str], brings: Brings) -> Placed:
    """
    Bring the files of a run here, and return the prompt that names them where they will be.

    Files are placed under a name made of their content, so that files of two runs that are called the same never meet;
    whatever in the prompt is exactly the name that the client gave is changed with it.

    Args:
        files: By place relative to ComfyUI's folder, their URLs.

    Raises:
        StoreError: One cannot be had.
    """
    began = time.monotonic()
    placed: list[PlacedFile] = []
    names: dict[str, str] = {}
    for place, file in zip(files, await bring_all(files, brings.bring), strict=True):
        folder, _, name = place.partition("/")
        if folder != "input":
            new_name = await brings.put_model(place, file)
            if new_name is not None:
                names[name.partition("/")[2]] = new_name
            elif brings.takes_urls:
                placed.append(PlacedFile(place, file))
        elif file.path is None:
            placed.append(PlacedFile(place, file))
        else:
            names |= _names(name, file.placement)
            placed.append(PlacedFile(f"input/{file.placement}", file))
    return Placed(renamed(prompt, names), tuple(placed), round((time.monotonic() - began) * 1000))


async def bring_all(files: Mapping[str, str], bring: Bring) -> list[FileValue]:
    """
    Bring several files at once; all are waited for, so that what one brought is not lost when another fails.

    Raises:
        StoreError: One cannot be had.
    """
    found: list[FileValue] = []
    for each in await settle([bring(url, place) for place, url in files.items()]):
        if isinstance(each, ComfypipeError):
            raise each
        found.append(each)
    return found


def renamed(prompt: JSONObject, names: Mapping[str, str]) -> JSONObject:
    """Return *prompt* with every input that is exactly one of *names* changed to what that stands for."""
    if not names:
        return prompt
    return {node_id: _renamed_node(node, names) for node_id, node in prompt.items()}


def _names(given: str, placement: str) -> dict[str, str]:
    return {given: placement, f"{given} [input]": f"{placement} [input]"}


def _renamed_node(node: JSONObject, names: Mapping[str, str]) -> JSONObject:
    inputs: Mapping[str, JSON] = node.get("inputs") or {}
    changed = {key: names[value] for key, value in inputs.items() if isinstance(value, str) and value in names}
    return node | {"inputs": {**inputs, **changed}} if changed else node
