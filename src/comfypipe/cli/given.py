"""Inputs as the command line takes them: ``-i name=value``, repeated, over ``--inputs FILE``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comfypipe.errors import UsageError


def given_inputs(pairs: Sequence[str] | None, file: Path | None) -> dict[str, Any]:
    """
    Return what was given, the pairs over the file.

    Raises:
        UsageError: A pair is not ``NAME=VALUE``, or the file holds no mapping of names to values.
    """
    return (_read(file) if file else {}) | dict(_pair(each) for each in pairs or ())


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f'"{text}" is not NAME=VALUE', hint="write -i name=value, or -i name=@file")
    return name, value


def _read(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    except YAMLError as error:
        raise UsageError(f"{file} is neither YAML nor JSON: {error}") from error
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise UsageError(f"{file} holds no inputs", hint="it takes a mapping, such as  width: 512")
    return document
