"""The inputs of a run: defaults < preset < given, coerced to the declared types, with every problem told at once."""

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import InputError, InputInvalid, InputMissing, UsageError
from comfypipe.manifest.coerce import BadValue, OpenFile, coerce, seed_range
from comfypipe.manifest.destinations import is_url, url_problem
from comfypipe.manifest.schema import InputSpec, SeedInput
from comfypipe.manifest.values import FileValue, Value, describe, safe_filename, shortened

__all__ = [
    "FileValue",
    "StoredFile",
    "Value",
    "all_of",
    "draw_seed",
    "file_opener",
    "has_default",
    "resolve_inputs",
    "safe_filename",
    "seeds_to_draw",
]

_SETTLED_NS = 2_000_000_000


@runtime_checkable
class StoredFile(Protocol):
    """A file that a run made, such as an output of a `Run`."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def filename(self) -> str:
        """Its own name."""

    @property
    def sha256(self) -> str:
        """Of its bytes, as hex."""


def draw_seed() -> int:
    """Return a random seed of 53 bits, so that JSON in a browser keeps it."""
    return int.from_bytes(os.urandom(7), "big") >> 3


def resolve_inputs(
    specs: Mapping[str, InputSpec],
    given: Mapping[str, object],
    *,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    preset: str | None = None,
    base: Path,
    root: Path | None = None,
    draw_seed: Callable[[], int] = draw_seed,
    text: bool = True,
) -> dict[str, Value]:
    """
    Return a value for every declared input, in declared order; what was left out and need not be given is None.

    Args:
        given: By name; None counts as left out.
        base: Folder that given paths are relative to.
        root: Folder that paths of defaults and presets are relative to; *base* when there is none.
        draw_seed: Asked once for each seed that nothing gives.
        text: Whether given text may stand for another type, as it does on a command line: ``"7"`` for 7.

    Raises:
        UsageError: There is no such preset.
        InputMissing: Inputs that have to be given are not; nothing else is wrong.
        InputInvalid: Unknown names, and values that do not fit; all of them in one message.
    """
    preset_values = _preset(presets or {}, preset)
    given = {name: value for name, value in given.items() if value is not None}
    problems: list[InputError] = [_unknown(name, specs) for name in given if name not in specs]
    values: dict[str, Value] = {}
    opened, opened_default = file_opener(base), file_opener(root or base)
    for name, spec in specs.items():
        try:
            if name in given:
                values[name] = coerce(spec, given[name], opened, text=text)
            elif preset_values.get(name) is not None:
                values[name] = coerce(spec, preset_values[name], opened_default, text=False)
            else:
                values[name] = _left_out(name, spec, opened_default, draw_seed)
        except BadValue as error:
            message = f"{_subject(name, error.place)} {error.problem}"
            problems.append(InputInvalid(message, name=name, hint=error.hint))
        except InputMissing as error:
            problems.append(error)
    if problems:
        raise all_of(problems)
    return values


def has_default(spec: InputSpec) -> bool:
    """Whether the manifest says what the input is when nobody does."""
    return spec.default is not None


def seeds_to_draw(
    specs: Mapping[str, InputSpec], given: Mapping[str, object], preset: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the names of the seeds that neither the caller, nor the preset, nor a default gives."""
    return tuple(
        name
        for name, spec in specs.items()
        if isinstance(spec, SeedInput) and given.get(name) is None and preset.get(name) is None and spec.default is None
    )


def _left_out(name: str, spec: InputSpec, opened: OpenFile, draw: Callable[[], int]) -> Value:
    if spec.default is not None:
        return coerce(spec, spec.default, opened, text=False)
    if isinstance(spec, SeedInput):
        smallest, largest = seed_range(spec)
        return smallest + draw() % (largest - smallest + 1)
    if spec.required:
        hint = f"it is {spec.description[:1].lower()}{spec.description[1:]}" if spec.description else None
        raise InputMissing(f"input {name} ({spec.type}) is missing", name=name, hint=hint)
    return None


def _preset(presets: Mapping[str, Mapping[str, Any]], name: str | None) -> Mapping[str, Any]:
    if name is None:
        return {}
    if name not in presets:
        known = f"presets are {', '.join(presets)}" if presets else "it has no presets"
        raise UsageError(f'there is no preset "{name}"', hint=did_you_mean(name, presets) or known)
    return presets[name]


def _unknown(name: str, specs: Mapping[str, InputSpec]) -> InputInvalid:
    known = f"inputs are {', '.join(specs)}" if specs else "it takes no inputs"
    return InputInvalid(f'there is no input "{name}"', name=name, hint=did_you_mean(name, specs) or known)


def _subject(name: str, place: tuple[int, ...]) -> str:
    return f"input {name}{''.join(f'[{index}]' for index in place)}"


def all_of(problems: Sequence[InputError]) -> InputError:
    """Return the error that tells all of *problems*."""
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"  {line}" for each in problems for line in str(each).splitlines())
    kind = InputMissing if all(isinstance(each, InputMissing) for each in problems) else InputInvalid
    return kind(f"{len(problems)} inputs are wrong:\n{lines}", each=problems)


def file_opener(base: Path) -> OpenFile:
    """Return what makes a `FileValue` of a path relative to *base*, a URL, or a stored file; paths are hashed."""

    def open_file(value: object, media: str) -> FileValue:
        if isinstance(value, FileValue):
            path = value.path or Path()
            return replace(value, path=path.absolute(), sha256=_digest(path, str(path)))
        text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
        if text is None and isinstance(value, StoredFile):
            return FileValue(value.filename, media, Path(value.path), None, value.sha256)
        if not isinstance(text, str) or "\0" in text or not text.strip("@ "):
            problem = f"takes a path or URL of {describe(FileValue('', media))}, not {describe(value)}"
            raise BadValue(problem, certain=True)
        text = text.removeprefix("@")
        if is_url(text):
            return _from_url(text, media)
        path = base / Path(text).expanduser()
        return FileValue(path.name, media, path.absolute(), None, _digest(path, text))

    return open_file


def _from_url(url: str, media: str) -> FileValue:
    if problem := url_problem(url):
        raise BadValue(f'cannot use the URL "{shortened(url)}": {problem}')
    return FileValue(unquote(urlsplit(url).path).rsplit("/", 1)[-1] or "file", media, None, url)


def _digest(path: Path, shown: str) -> str:
    """Return the SHA-256 of a file, as hex; files that have not changed since are not read again."""
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):
            raise BadValue(f"reads {shown}, which is {'a folder' if S_ISDIR(status.st_mode) else 'no regular file'}")
        if status.st_size == 0:
            raise BadValue(f"reads {shown}, which is empty")
        # A file that was written a moment ago may be written again within the same tick of the clock.
        settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NS
        key = (str(path.absolute()), status.st_ino, status.st_size, status.st_mtime_ns)
        return _known_digest(*key) if settled else _read_digest(path)
    except OSError as error:
        raise _unreadable(path, shown, error) from None


@lru_cache(maxsize=4096)
def _known_digest(path: str, _inode: int, _size_bytes: int, _mtime_ns: int) -> str:
    return _read_digest(Path(path))


def _read_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unreadable(path: Path, shown: str, error: OSError) -> BadValue:
    if isinstance(error, FileNotFoundError):
        try:
            names = [each.name for each in path.parent.iterdir()]
        except OSError:
            return BadValue(f"reads {shown}, but there is no folder {Path(shown).parent}")
        return BadValue(f"reads {shown}, which does not exist", did_you_mean(path.name, names))
    return BadValue(f"reads {shown}, which cannot be read: {error.strerror}")
