"""
``comfypipe.lock``: the digest and size of each declared model, for the repository to keep.

JSON, sorted and indented, so that a change shows as a line: ``{"schema_version": 1, "models": {PATH: {"sha256",
"size_bytes", "url"}}}``.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from comfypipe.errors import ProjectError
from comfypipe.store.files import write_whole

LOCK_FILE = "comfypipe.lock"
_VERSION = 1


class LockedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model was when it was locked."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    url: str | None = None


class _Document(msgspec.Struct, frozen=True):
    schema_version: int
    models: dict[str, LockedModel] = {}


def read_lock(root: Path) -> Mapping[str, LockedModel]:
    """
    Return the locked models of a project, by path; none when there is no lock file.

    Raises:
        ProjectError: It cannot be read.
    """
    path = root / LOCK_FILE
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_Document)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} cannot be read: {error}", hint="write it anew: comfypipe models lock") from error
    if document.schema_version > _VERSION:
        raise ProjectError(f"{path} belongs to a newer version of comfypipe")
    return document.models


def write_lock(root: Path, models: Mapping[str, LockedModel]) -> Path:
    """
    Write the lock file of a project: whole, or as it was.

    Raises:
        StoreError: It cannot be written.
    """
    listed = {name: msgspec.to_builtins(models[name]) for name in sorted(models)}
    text = json.dumps({"schema_version": _VERSION, "models": listed}, indent=2, ensure_ascii=False)
    write_whole(root / LOCK_FILE, f"{text}\n".encode())
    return root / LOCK_FILE
