"""Where templates come from: one folder, and nothing outside it."""

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from jinja2.exceptions import TemplateNotFound
from jinja2.loaders import BaseLoader

from comfypipe.diagnostics import Source
from comfypipe.errors import TemplateError, TemplateTooExpensive
from comfypipe.template.export import read_template

MAX_TEMPLATE_BYTES = 1024 * 1024

MAX_TAGS = 20_000
"""Tags in one file. Compiling takes far longer for a tag than for text, and nothing can stop it."""

MAX_CODE = 192 * 1024
"""Characters within the tags of one file."""

_TAG = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)


class FolderLoader(BaseLoader):
    """Reads templates by their path below *root*; a name that is an absolute path is one that the caller chose."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get_source(self, environment: Any, template: str) -> tuple[str, str, Callable[[], bool]]:  # noqa: ARG002
        path = self._root / template
        stamp = _stamp(path)
        if stamp is None:
            raise TemplateNotFound(template)
        text = read_template(path, template, MAX_TEMPLATE_BYTES)
        _check_size(text, template)
        return text, str(path), lambda: _stamp(path) == stamp


def confined(root: Path, real_root: Path, name: str) -> str:
    """
    Return *name* if it lies below *root*, links followed.

    Args:
        real_root: The root with its own links followed.

    Raises:
        TemplateError: It does not.
    """
    relative = PurePosixPath(name)
    if not name or "\0" in name or "\\" in name or relative.is_absolute() or ".." in relative.parts:
        raise TemplateError(f'"{name}" is no path below {root.name}/', hint="name files from there, without ..")
    if not (root / relative).resolve().is_relative_to(real_root):
        raise TemplateError(f'"{name}" leads out of {root.name}/', hint="a link may not lead elsewhere")
    return relative.as_posix()


def _check_size(text: str, name: str) -> None:
    tags = [len(tag[0]) for tag in _TAG.finditer(text)]
    if len(tags) > MAX_TAGS or sum(tags) > MAX_CODE:
        raise TemplateTooExpensive(
            f"more than {MAX_TAGS} tags, or {MAX_CODE} characters in them",
            hint="write what repeats as a loop",
            source=Source(name),
        )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
