"""A place that the other side can reach, for files of this machine: a store with URLs that are signed for a while."""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from comfypipe.backends.base import InputFile
from comfypipe.errors import BackendError, BackendRejected, UsageError
from comfypipe.manifest.values import safe_filename

SIGNED_S = 24 * 3600
"""How long a signed URL holds, where the settings do not say."""


class Staging(Protocol):
    """Puts a file where the other side can fetch it."""

    async def url_of(self, file: InputFile) -> str:
        """
        Return the URL of a file of this machine, once it is there.

        Raises:
            BackendRejected: It is gone, or has changed since it was given.
            BackendError: It cannot be put there.
        """


class SignedStore:
    """
    A store of any kind that fsspec knows and that signs URLs: S3, Google's, Azure's.

    A file lies under the digest of its bytes, and is put there once.

    Args:
        location: ``s3://bucket/prefix``.
        options: Of the file system, as fsspec takes them: ``endpoint_url``, ``profile``, …
    """

    def __init__(self, location: str, options: Mapping[str, Any] | None = None, *, signed_s: int = SIGNED_S) -> None:
        self._location = location
        self._options = dict(options or {})
        self._signed_s = signed_s
        self._opened: tuple[Any, str] | None = None

    async def url_of(self, file: InputFile) -> str:
        return await asyncio.to_thread(self._put, file)

    def _put(self, file: InputFile) -> str:
        path = local_path(file)
        system, root = self._open()
        place = f"{root.rstrip('/')}/{file.sha256}/{safe_filename(file.name)}"
        try:
            if not self._has(system, place, path.stat().st_size):
                _upload(system, path, place)
            return str(system.sign(place, expiration=self._signed_s))
        except NotImplementedError as error:
            raise UsageError(
                f"staging: {self._location} cannot sign URLs", hint="take a store that can, such as s3://BUCKET/PREFIX"
            ) from error
        except FileNotFoundError as error:
            raise BackendRejected(f"{file.name} cannot be put into {self._location}: {error}") from error
        except Exception as error:  # each store has errors of its own
            raise BackendError(f"{file.name} cannot be put into {self._location}: {error}") from error

    def _has(self, system: Any, place: str, size_bytes: int) -> bool:
        system.invalidate_cache()
        return bool(system.exists(place) and system.size(place) == size_bytes)

    def _open(self) -> tuple[Any, str]:
        if self._opened is None:
            try:
                from fsspec.core import url_to_fs  # type: ignore[import-untyped]

                self._opened = url_to_fs(self._location, **self._options)
            except (ImportError, ValueError, TypeError) as error:
                hint = "for s3:// there has to be s3fs: pip install 'comfypipe[s3]'"
                raise UsageError(f"staging: {self._location} cannot be opened: {error}", hint=hint) from error
        return self._opened


class NoStaging:
    """There is no place: says what would be one."""

    def __init__(self, who: str) -> None:
        self._who = who

    async def url_of(self, file: InputFile) -> str:
        raise BackendRejected(
            f"{file.name} lies on this machine, where {self._who} cannot fetch it",
            hint='give the file by URL; or name a store in the backend\'s settings, staging = "s3://BUCKET/PREFIX"; '
            "or use a service of comfypipe's own (`comfypipe serve`), which takes uploads",
        )


def local_path(file: InputFile) -> Path:
    """
    Return where a file lies on this machine.

    Raises:
        BackendRejected: Nowhere, or what it holds is not known.
    """
    if file.path is None or file.sha256 is None:
        raise BackendRejected(f"{file.name} was not fetched yet: it has neither a URL nor a place on this machine")
    if not file.path.is_file():
        raise BackendRejected(f"{file.name} cannot be read: {file.path} is gone")
    return file.path


def _upload(system: Any, path: Path, place: str) -> None:
    """Write under another name first where names can be changed: what has the right name is whole."""
    partial = f"{place}.{secrets.token_hex(6)}"
    with contextlib.suppress(NotImplementedError):
        system.makedirs(place.rpartition("/")[0], exist_ok=True)
    system.put_file(str(path), partial)
    system.mv(partial, place)
