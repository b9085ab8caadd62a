"""The inputs of a run: defaults < preset < given, coerced to the declared types, with every problem told at once."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import InputInvalid, InputMissing, UsageError
from comfypipe.manifest.coerce import BadValue, OpenFile, coerce, seed_range
from comfypipe.manifest.schema import InputSpec, SeedInput
from comfypipe.manifest.values import FileValue, Value, describe, safe_filename

__all__ = [
    "FileValue",
    "StoredFile",
    "Value",
    "draw_seed",
    "file_opener",
    "has_default",
    "resolve_inputs",
    "safe_filename",
    "seeds_to_draw",
]


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
    problems: list[InputMissing | InputInvalid] = [_unknown(name, specs) for name in given if name not in specs]
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
            problems.append(InputInvalid(f"{_subject(name, error.place)} {error.problem}", hint=error.hint))
        except InputMissing as error:
            problems.append(error)
    if problems:
        raise _together(problems)
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
        raise InputMissing(f"input {name} ({spec.type}) is missing", hint=hint)
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
    return InputInvalid(f'there is no input "{name}"', hint=did_you_mean(name, specs) or known)


def _subject(name: str, place: tuple[int, ...]) -> str:
    return f"input {name}{''.join(f'[{index}]' for index in place)}"


def _together(problems: list[InputMissing | InputInvalid]) -> InputMissing | InputInvalid:
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"  {line}" for each in problems for line in str(each).splitlines())
    kind = InputMissing if all(isinstance(each, InputMissing) for each in problems) else InputInvalid
    return kind(f"{len(problems)} inputs are wrong:\n{lines}")


def file_opener(base: Path) -> OpenFile:
    """Return what makes a `FileValue` of a path relative to *base*, a URL, or a stored file; paths are hashed."""

    def open_file(value: object, media: str) -> FileValue:
        if isinstance(value, FileValue):
            return _read(value.path or Path(), value.filename, value.media, value.url)
        if isinstance(value, StoredFile):
            return FileValue(value.filename, media, Path(value.path), None, value.sha256)
        if not isinstance(value, str | os.PathLike):
            raise _not_a_file(value, media)
        text = os.fspath(value)
        if not isinstance(text, str) or "\0" in text or not text.strip("@ "):
            raise _not_a_file(value, media)
        if text.startswith(("http://", "https://")):
            return _from_url(text, media)
        path = base / Path(text.removeprefix("@")).expanduser()
        return _read(path, path.name, media, None)

    return open_file


def _not_a_file(value: object, media: str) -> BadValue:
    return BadValue(f"takes a path or URL of {describe(FileValue('', media))}, not {describe(value)}", of_kind=True)


def _from_url(url: str, media: str) -> FileValue:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadValue("takes a URL such as https://example.com/a.png", "a user name or key does not belong in it")
    return FileValue(unquote(parts.path).rsplit("/", 1)[-1] or "file", media, None, url)


def _read(path: Path, filename: str, media: str, url: str | None) -> FileValue:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
            size_bytes = stream.tell()
    except OSError as error:
        raise _unreadable(path, error) from None
    if size_bytes == 0:
        raise BadValue(f"reads {path}, which is empty")
    return FileValue(filename, media, path.absolute(), url, digest.hexdigest())


def _unreadable(path: Path, error: OSError) -> BadValue:
    if isinstance(error, FileNotFoundError):
        try:
            names = [each.name for each in path.parent.iterdir()]
        except OSError:
            return BadValue(f"reads {path}, but there is no folder {path.parent}")
        return BadValue(f"reads {path}, which does not exist", did_you_mean(path.name, names))
    if isinstance(error, IsADirectoryError):
        return BadValue(f"reads {path}, which is a folder")
    return BadValue(f"reads {path}, which cannot be read: {error.strerror}")
