"""Columns of rows and inputs of a workflow: which goes where, and where the files that they name lie."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.diagnostics import did_you_mean
from comfypipe.errors import UsageError
from comfypipe.manifest.destinations import is_url
from comfypipe.manifest.schema import MEDIA_TYPES, InputSpec, ListInput


@dataclass(frozen=True, slots=True)
class Columns:
    """
    Which column is which input.

    Attributes:
        inputs: What the manifest declares.
        renamed: Input by column, where they are called differently.
        allow_extra: Columns that are no inputs are no mistake.
    """

    inputs: Mapping[str, InputSpec]
    renamed: Mapping[str, str] = field(default_factory=dict)
    allow_extra: bool = False

    def __post_init__(self) -> None:
        for column, name in self.renamed.items():
            if name not in self.inputs:
                known = f"inputs are {', '.join(self.inputs)}" if self.inputs else "it takes no inputs"
                raise UsageError(
                    f'column "{column}" is mapped to "{name}", which is no input',
                    hint=did_you_mean(name, self.inputs) or known,
                )
        names = list(self.renamed.values())
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"two columns are mapped to the input {twice}")

    def given(self, values: JSONObject) -> JSONObject:
        """Return by input what a row gives."""
        found: JSONObject = {}
        for column, value in values.items():
            name = self.renamed.get(column, column)
            if name in self.inputs and (column in self.renamed or name not in self.renamed.values()):
                found[name] = value
        return found

    def unknown(self, values: JSONObject) -> list[str]:
        """Return the columns that are no inputs, and were not allowed."""
        if self.allow_extra:
            return []
        return [column for column in values if column not in self.inputs and column not in self.renamed]

    def why_unknown(self, column: str) -> tuple[str, str]:
        """Return what is wrong with such a column, and what to do about it."""
        similar = did_you_mean(column, self.inputs)
        hint = similar or "map it to an input with --map COLUMN=INPUT, or keep it for names with --allow-extra"
        return f'column "{column}" is no input', hint


@dataclass(frozen=True, slots=True)
class Files:
    """
    Where the files lie that rows name: relative paths are looked for in each folder in turn.

    Attributes:
        folders: That of the rows, then the project's root.
    """

    folders: tuple[Path, ...]

    def located(self, spec: InputSpec, value: Any) -> Any:
        """Return the value of an input with its relative paths made absolute where such a file is there."""
        if spec.type in MEDIA_TYPES:
            return self._path(value)
        if isinstance(spec, ListInput) and spec.items.type in MEDIA_TYPES:
            items = _items(value) if isinstance(value, str) else value
            return [self._path(each) for each in items] if isinstance(items, list) else items
        return value

    def _path(self, value: Any) -> Any:
        if not isinstance(value, str) or is_url(value) or "\0" in value:
            return value
        path = Path(value.removeprefix("@")).expanduser()
        if path.is_absolute():
            return str(path)
        return next((str(folder / path) for folder in self.folders if (folder / path).is_file()), value)


def _items(text: str) -> Any:
    """Read a list as a cell holds it: JSON, or items between commas."""
    if not text.lstrip().startswith("["):
        return [each.strip() for each in text.split(",")]
    try:
        return json.loads(text)
    except ValueError:
        return text  # what is wrong with it, resolving the inputs says


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """
    Return the mapping of ``COLUMN=INPUT`` texts.

    Raises:
        UsageError: One is not written so.
    """
    found: dict[str, str] = {}
    for text in texts:
        column, equals, name = text.rpartition("=")
        if not equals or not column or not name:
            raise UsageError(f'"{text}" is not COLUMN=INPUT', hint="write --map COLUMN=INPUT")
        if column in found:
            raise UsageError(f'column "{column}" is mapped twice')
        found[column] = name
    return found
