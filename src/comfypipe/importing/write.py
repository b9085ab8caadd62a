"""Files of an import: written whole or not at all, and never over others unless that is asked for."""

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from comfypipe.errors import ImportFailed, UsageError
from comfypipe.manifest.load import default_name
from comfypipe.project import ProjectLayout

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,63}")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])")


def suggested_name(path: Path) -> str:
    """
    Return a name for what is imported from *path*: the file's, made fit to be one.

    Raises:
        UsageError: Nothing of it can be used.
    """
    stem = path.name.split(".", 1)[0] if path.name.lower().endswith((".ui.json", ".api.json")) else path.stem
    name = re.sub(r"[^A-Za-z0-9_\-]+", "_", stem).strip("_-")
    name = name if re.match(r"[A-Za-z]", name) else f"workflow_{name}".rstrip("_")
    if not name or not stem.strip("._- "):
        raise UsageError(f"no name can be made of {path.name!r}", hint="give one with --name")
    return name[:64]


def check_name(name: str) -> None:
    """
    Check that *name* can name a workflow and its files on every system.

    Raises:
        UsageError: It cannot.
    """
    if not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a name",
            hint="names are letters, digits, _ and -, beginning with a letter, at most 64, and no device's",
        )


def check_free(layout: ProjectLayout, name: str, suffix: str) -> None:
    """
    Check that nothing in the project has this name yet, in any spelling of it.

    Raises:
        UsageError: Something has.
    """
    taken = find_manifest(layout, name)
    if taken is None:
        files = layout.workflows.iterdir() if layout.workflows.is_dir() else ()
        taken = next((each for each in sorted(files) if default_name(each).casefold() == name.casefold()), None)
    if taken is not None:
        raise UsageError(
            f"{layout.show(taken)} is there already",
            hint="--name gives another name, --force replaces it; a newer save of the same workflow comes in with "
            f"`comfypipe import --update {name} FILE`",
        )
    check_inside(layout, (layout.workflows / f"{name}{suffix}", layout.manifests / f"{name}.yaml"))


def find_manifest(layout: ProjectLayout, name: str) -> Path | None:
    """Return the manifest of that name, by what it says or by its file's name, in any spelling; None without one."""
    files = layout.manifests.rglob("*") if layout.manifests.is_dir() else ()
    for path in sorted(each for each in files if each.suffix in (".yaml", ".yml") and each.is_file()):
        if _name_in(path).casefold() == name.casefold():
            return path
    return None


def _name_in(path: Path) -> str:
    """Return the name that a manifest states, else its file's; a broken one is read as far as that goes."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return default_name(path)
    match = re.search(r"^name:[ \t]*[\"']?([A-Za-z][A-Za-z0-9_\-]*)", text, re.MULTILINE)
    return match[1] if match else default_name(path)


def check_inside(layout: ProjectLayout, paths: Iterable[Path]) -> None:
    """
    Check that *paths*, links followed, lie below the project's root.

    Raises:
        ImportFailed: One does not.
    """
    root = layout.root.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(root):
            raise ImportFailed(
                f"{layout.show(path)} leads out of the project", hint="a link in the way points elsewhere"
            )


def write_files(texts: Mapping[Path, str]) -> None:
    """
    Write files so that either all of them are new or, on an error, all are as they were.

    Raises:
        ImportFailed: One cannot be written.
    """
    written: dict[Path, Path] = {}
    replaced: dict[Path, bytes | None] = {}
    try:
        for path, text in texts.items():
            written[path] = _write_beside(path, text)
        for path, temporary in written.items():
            replaced[path] = path.read_bytes() if path.exists() else None
            temporary.replace(path)
    except OSError as error:
        for path, before in replaced.items():
            _put_back(path, before)
        raise ImportFailed(f"{error.filename or 'a file'} cannot be written: {error.strerror or error}") from error
    finally:
        for temporary in written.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _write_beside(path: Path, text: str) -> Path:
    """Write *text* to the disk in a new file beside *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with temporary.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _put_back(path: Path, before: bytes | None) -> None:
    with suppress(OSError):  # the error that led here is the one to tell
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
