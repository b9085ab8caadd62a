"""Readable names of outputs, from a template of plain fields; no value can lead out of the folder."""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import UsageError
from comfypipe.execution.media import suffix_of

FIELDS = ("number", "shard", "output", "index", "run", "key", "name", "batch", "repeat", "ext")
"""What a template can name besides ``row.COLUMN`` and ``input.NAME``."""

LONGEST_PART = 120
"""Characters of a folder's or file's name: file systems take 255 bytes."""

PLAIN, SHARDED = "{number:06}", "{shard}/{number:06}"
"""Templates where none is given: SHARDED for more rows than one folder should hold."""

_FIELD = re.compile(r"(?P<of>row|input)\.(?P<column>.+)|(?P<plain>[a-z]+)", re.DOTALL)
_FORMAT = re.compile(r"0?\d{0,3}[d]?|\.\d{1,2}f")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"})
_MOVES = frozenset({".mp4", ".webm", ".mov", ".mkv"})
_SOUNDS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus"})
_FILE_SUFFIXES = _PICTURES | _MOVES | _SOUNDS | {".glb", ".latent", ".txt", ".json"}
"""What a template may end with though the file is of another kind: its own suffix stands in its place."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What the name of one file is made of."""

    number: int
    row: JSONObject
    inputs: JSONObject
    output: str
    filename: str
    index: int = 0
    files: int = 1
    outputs: int = 1
    run: str = ""
    key: str = ""
    name: str = ""
    batch: str = ""


class NameTemplate:
    """
    A template such as ``{row.sku}_{row.colour}.png``: fields in braces, folders between slashes.

    Fields are ``row.COLUMN``, ``input.NAME`` and those of `FIELDS`; numbers take a width (``{number:06}``). Values are
    made safe: what no file system takes, slashes above all, becomes ``_``. Where a run gives several files, and the
    template does not say ``{output}`` or ``{index}``, they are added. The suffix is always that of the file.

    Raises:
        UsageError: It cannot be read, names an unknown field, or leads out of the folder.
    """

    def __init__(self, template: str) -> None:
        self._text = template
        try:
            self._parts = [(text, name, how or "", conversion) for text, name, how, conversion in _parse(template)]
        except ValueError as error:
            raise self._wrong(str(error)) from error
        for _, name, how, conversion in self._parts:
            if name is not None:
                self._check_field(name, how, conversion)
        self._check_place("".join(f"{text}{'x' if name is not None else ''}" for text, name, _, _ in self._parts))
        self._named = {name for _, name, _, _ in self._parts if name is not None}

    def check_columns(self, columns: set[str], inputs: Mapping[str, object]) -> None:
        """
        Check that there is what the template names.

        Raises:
            UsageError: It names a column that no row has, or an unknown input.
        """
        for name in self._named:
            found = _FIELD.fullmatch(name)
            if found is None or found["of"] is None:
                continue
            known = columns if found["of"] == "row" else set(inputs)
            if found["column"] not in known:
                hint = did_you_mean(found["column"], known) or f"there are {', '.join(sorted(known))}"
                raise self._wrong(f"there is no {name}", hint)

    def render(self, naming: Naming) -> str:
        """Return the path of a file, relative to the folder, with forward slashes."""
        text = "".join(
            literal + (_safe(_formatted(_value(name, naming), how)) if name is not None else "")
            for literal, name, how, _ in self._parts
        )
        *folders, last = (_safe_part(part) for part in text.split("/"))
        return "/".join([*folders, self._filename(last, naming)])

    def _filename(self, stem: str, naming: Naming) -> str:
        suffix = suffix_of(naming.filename)
        written = suffix_of(stem)
        if written and (written == suffix or written in _FILE_SUFFIXES):
            stem = stem[: -len(written)]
        if naming.outputs > 1 and "output" not in self._named:
            stem += f"_{_safe(naming.output)}"
        if naming.files > 1 and "index" not in self._named:
            stem += f"-{naming.index + 1:02}"
        return f"{_safe_part(stem)}{suffix}"

    def _check_field(self, name: str, how: str, conversion: str | None) -> None:
        found = _FIELD.fullmatch(name)
        if found is None or (found["plain"] and found["plain"] not in FIELDS):
            known = did_you_mean(name, [*FIELDS, "row.", "input."])
            fields = f"fields are row.COLUMN, input.NAME, {', '.join(FIELDS)}"
            raise self._wrong(f'there is no field "{name}"', known or fields)
        if conversion is not None or not _FORMAT.fullmatch(how):
            raise self._wrong(f'"{{{name}…}}" is formatted in a way that is not known', "a width will do: {number:06}")

    def _check_place(self, text: str) -> None:
        parts = text.split("/")
        if text.startswith("/") or "\\" in text or re.match(r"[A-Za-z]:", text) or ".." in parts:
            raise self._wrong("it leads out of the folder", "name files relative to --out")
        if not parts[-1] or "" in parts or "." in parts:
            raise self._wrong("a part between slashes is empty")

    def _wrong(self, problem: str, hint: str | None = None) -> UsageError:
        return UsageError(f'the names "{self._text}" cannot be used: {problem}', hint=hint)


def _parse(template: str) -> Any:
    return string.Formatter().parse(template)


def _value(field: str, naming: Naming) -> Any:
    found = _FIELD.fullmatch(field)
    if found is not None and found["of"]:
        values = naming.row if found["of"] == "row" else naming.inputs
        return _shown(values.get(found["column"]))
    match field:
        case "shard":
            return f"{(naming.number - 1) // 1000:03}"
        case "ext":
            return suffix_of(naming.filename).removeprefix(".")
        case "repeat":
            return naming.row.get("repeat", 0)
        case "index":
            return naming.index + 1
        case "key":
            return naming.key[:12]
    return getattr(naming, field)


def _shown(value: Any) -> Any:
    """Return a value as names have it: a file by its name without suffix."""
    if isinstance(value, dict) and isinstance(value.get("filename"), str):
        return value["filename"].rsplit(".", 1)[0]
    if isinstance(value, list):
        return "-".join(str(_shown(each)) for each in value)
    return "" if value is None else value


def _formatted(value: Any, how: str) -> str:
    try:
        return format(value, how)
    except (ValueError, TypeError):  # a width that zeros fill is for numbers: text stays as it is
        return str(value)


def _safe(text: str) -> str:
    """Return a value as a piece of a name: nothing that means something to a file system."""
    return _UNSAFE.sub("_", text.encode("utf-8", "replace").decode())[:LONGEST_PART]


def _safe_part(part: str) -> str:
    """Return the name of a folder or file that every file system takes."""
    cleaned = part.strip().strip(".")[:LONGEST_PART].rstrip(". ") or "_"
    while len(cleaned.encode()) > 2 * LONGEST_PART:
        cleaned = cleaned[:-1]
    return f"_{cleaned}" if _RESERVED.fullmatch(cleaned) else cleaned
