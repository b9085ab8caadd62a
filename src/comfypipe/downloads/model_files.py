"""What a fetched file must be: no pickle where none is allowed, no web page in place of a model."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from comfypipe.downloads.destinations import Destination
from comfypipe.downloads.safetensors_header import check_safetensors
from comfypipe.errors import DownloadRefused

PICKLES = (".ckpt", ".pt", ".pt2", ".pth", ".bin", ".pkl", ".pickle")
"""Suffixes of files that run code when they are loaded."""

_SAFETENSORS = (".safetensors", ".sft")
_PAGES = (".html", ".htm", ".xhtml", ".svg", ".xml")
_BEGINNING_BYTES = 512

Check: TypeAlias = Callable[[Path], None]
"""Looks into a file that was fetched; raises `DownloadRefused` when it must not be kept."""


def check_name(place: Destination, *, allow_pickle: bool) -> None:
    """
    Refuse a model by its name, before anything is fetched.

    Raises:
        DownloadRefused: Files of this name are pickles, and these are not allowed.
    """
    if place.is_model and not allow_pickle and place.parts[-1].lower().endswith(PICKLES):
        raise _pickle(place)


def check_for(place: Destination, *, allow_pickle: bool) -> Check:
    """Return what a file has to pass before it is put at *place*."""

    def check(path: Path) -> None:
        check_file(path, place, allow_pickle=allow_pickle)

    return check


def check_file(path: Path, place: Destination, *, allow_pickle: bool) -> None:
    """
    Refuse a file by what it holds.

    Args:
        path: Where it lies now.
        place: Where it shall be put.

    Raises:
        DownloadRefused: It is a web page, a pickle, or no safetensors file though its name says so.
    """
    check_name(place, allow_pickle=allow_pickle)
    name = place.parts[-1].lower()
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES)
    if not name.endswith(_PAGES):
        check_no_page(beginning, place.name)
    if not place.is_model:
        return
    if name.endswith(_SAFETENSORS):
        check_safetensors(path)
    elif not allow_pickle and _is_pickle(beginning):
        raise _pickle(place)


def check_no_page(beginning: bytes, name: str) -> None:
    """
    Refuse a web page where a file was meant.

    Raises:
        DownloadRefused: The bytes begin as one.
    """
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        raise DownloadRefused(
            f"what was fetched for {name} is a web page",
            hint="the URL may lead to a page about the file, or ask for a login: set HF_TOKEN or CIVITAI_API_TOKEN",
        )


def _is_pickle(beginning: bytes) -> bool:
    """Whether the bytes begin as a pickle, or as the zip archive that PyTorch puts one into."""
    return beginning.startswith(b"PK\x03\x04") or (beginning[:1] == b"\x80" and beginning[1:2] in b"\2\3\4\5")


def _pickle(place: Destination) -> DownloadRefused:
    return DownloadRefused(
        f"{place.name} is a pickle, and loading one runs whatever code it holds",
        hint="look for it as safetensors; where its source is trusted, set allow_pickle = true for downloads",
    )
