"""Values of inputs, files above all."""

import re
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

FOLDER = "comfypipe"
"""The subfolder of ComfyUI's input folder that our files are placed in."""

_WORDS = {"image": "an image", "mask": "a mask", "video": "a video", "audio": "a sound file", "file": "a file"}


class RemoteFile(Struct, frozen=True):
    """
    Where a file is that a run made and that stays with its backend until somebody asks for it.

    Attributes:
        backend: URL of the backend.
        prompt_id: The attempt that made it.
        server: Which server of the backend has the run, and *remote_id* what it calls it there.
        node_id: The node that saved it; with *key*, *subfolder* and *kind* as `OutputFile` has them.
    """

    backend: str
    prompt_id: str
    server: str | None
    remote_id: str | None
    node_id: str
    key: str
    subfolder: str
    kind: str

    @property
    def run(self) -> str:
        """What tells its run from others."""
        return f"{self.backend}\n{self.server}\n{self.remote_id or self.prompt_id}"


class FileValue(Struct, frozen=True):
    """
    A file that is an input's value.

    Attributes:
        filename: Its own name, for people and for its suffix.
        media: ``image``, ``mask``, ``video``, ``audio`` or ``file``.
        path: Where it lies on this machine; None when only *url* is known.
        url: Where it can be fetched from.
        sha256: Of its bytes, as hex; None until a URL has been fetched.
        remote: Where it stays, for what a run of a remote backend made, fetched or not.
    """

    filename: str
    media: str = "file"
    path: Path | None = None
    url: str | None = None
    sha256: str | None = None
    remote: RemoteFile | None = None

    @property
    def placeholder(self) -> bool:
        """Whether it only stands in for a file that a step has not made yet."""
        return self.path is None and self.url is None

    @property
    def identity(self) -> str:
        """
        What tells it from other files: the digest of its bytes, else of where they come from.

        What stays remote is named by the run that made it, also when it was fetched since: names of files in prompts
        and digests of jobs are the same before and after.
        """
        if self.remote is not None:
            from hashlib import sha256

            place = f"{self.remote.run}\n{self.remote.node_id}\n{self.remote.subfolder}\n{self.filename}"
            return sha256(place.encode(errors="replace")).hexdigest()
        if self.sha256 is not None:
            return self.sha256
        from hashlib import sha256  # not on the way to listing manifests

        return sha256(f"{self.url or ''}\n{self.filename}".encode(errors="replace")).hexdigest()

    @property
    def placement(self) -> str:
        """
        Its name relative to ComfyUI's input folder, as nodes are given it.

        Made of the content, so that the same bytes always have the same name: prompts stay stable, servers cache.
        """
        return f"{FOLDER}/{self.identity[:16]}/{safe_filename(self.filename)}"


Value: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any] | FileValue | None
"""What an input can hold; lists may hold files."""


def safe_filename(name: str) -> str:
    """Return *name* with only what every server and file system takes: at most 80 of letters, digits and ``._-``."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", name.replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")
    stem, dot, suffix = cleaned.rpartition(".")
    if not dot:
        return cleaned[:80] or "file"
    return f"{stem[: 79 - len(suffix[:16])] or 'file'}.{suffix[:16]}"


def describe(value: object) -> str:
    """Return what a value is, in words, for messages."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f'the text "{shortened(value)}"'
        case FileValue():
            return _WORDS.get(value.media, "a file")
        case list() | tuple():
            return f"a list of {len(value)}"
        case dict():
            return "a mapping"
    return f"a {type(value).__name__}"


def shortened(text: str) -> str:
    """Return *text* in one line of at most 60 characters, for messages."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}…"
