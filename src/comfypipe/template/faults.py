"""What goes wrong in a template, said in its own terms: the file, the line, and what to do."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2.environment import Template
from jinja2.exceptions import SecurityError, TemplateNotFound, TemplateSyntaxError
from jinja2.utils import Namespace, missing

from comfypipe.diagnostics import Source, did_you_mean
from comfypipe.errors import TemplateError, TemplateTooExpensive, TemplateUndefined
from comfypipe.template.undefined import UndefinedName

_NAMES_SHOWN = 8
_FILES_LOOKED_AT = 5000


def to_template_error(error: Exception, main: str, defined: Iterable[str], root: Path) -> TemplateError:
    """
    Return the error to raise for what compiling or rendering raised; places name templates, not paths.

    Args:
        main: Name of the template that was to be rendered.
        defined: Names that its caller defined.
    """
    line = _line(error)
    source = Source(*line) if line else Source(main)
    match error:
        case TemplateError():
            error.source = error.source or source
            return error
        case UndefinedName():
            return TemplateUndefined(str(error), hint=_hint_for(error, defined), source=source)
        case TemplateSyntaxError():
            place = Source(error.name or main, error.lineno)
            return TemplateError(error.message or "not a template", hint=_syntax_hint(error), source=place)
        case TemplateNotFound():
            return _not_found(error, main, source, root)
        case SecurityError():
            return TemplateError(f"not allowed in a template: {error}", source=source)
        case RecursionError():
            return TemplateTooExpensive("it is nested too deeply", hint="does a file include itself?", source=source)
        case MemoryError():
            return TemplateTooExpensive("it needs more memory than there is", source=source)
        case SyntaxError():  # Python's, of the code that Jinja makes
            return TemplateError("blocks are nested too deeply", source=Source(main))
        case _:
            return TemplateError(f"{type(error).__name__}: {error}", source=source)


def _line(error: Exception) -> tuple[str, int] | None:
    """Return the innermost template that was running, and the line in it."""
    found = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, Template):
            found = (template.name or "", template.get_corresponding_lineno(trace.tb_lineno))
        trace = trace.tb_next
    return found


def _hint_for(error: UndefinedName, defined: Iterable[str]) -> str | None:
    names = _names_of(error.owner, defined)
    if error.name is None or not names:
        return None
    known = ", ".join(sorted(names)[:_NAMES_SHOWN])
    more = ", …" if len(names) > _NAMES_SHOWN else ""
    return did_you_mean(str(error.name), names) or f"known here: {known}{more}"


def _names_of(owner: Any, defined: Iterable[str]) -> list[str]:
    if owner is missing:
        return list(defined)
    if isinstance(owner, Mapping):
        return [name for name in owner if isinstance(name, str)]
    if isinstance(owner, Namespace):
        return []
    return [name for name in getattr(owner, "__dict__", {}) if not name.startswith("_")]


def _syntax_hint(error: TemplateSyntaxError) -> str | None:
    message = error.message or ""
    if "unknown tag" in message:
        return "tags are if, for, set, macro, call, include, import, from, filter, with, raw"
    return None


def _not_found(error: TemplateNotFound, main: str, source: Source, root: Path) -> TemplateError:
    name = str(error.name or error.message or "")
    if name == main:
        return TemplateError("there is no such file", source=Source(main))
    files = [path.relative_to(root).as_posix() for path in islice(root.rglob("*"), _FILES_LOOKED_AT) if path.is_file()]
    return TemplateError(f'there is no file "{name}" in {root.name}/', hint=did_you_mean(name, files), source=source)
