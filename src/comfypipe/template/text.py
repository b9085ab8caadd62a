"""Operations on text whose result can be far larger than what they are given: how large, before they are done."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from comfypipe.errors import TemplateError
from comfypipe.template.budget import Budget, current
from comfypipe.template.fragment import Fragment, plain_text

MAX_FIELD_WIDTH = 10_000
"""The most that all widths and precisions of a format may come to."""

_NUMBER_TEXT = 5000  # of the largest integer there is, in binary

_SCALARS = (str, int, float, bool, Fragment)
_NUMBER = re.compile(r"\d+")
_STARRED = re.compile(r"%[^a-zA-Z%]*\*")
_NESTED = re.compile(r"\{[^{}]*\{")


def percent_format(form: str, given: Any) -> str:
    """Return ``form % given``, where that stays small."""
    if _STARRED.search(form):
        raise TemplateError("a format with * takes its width from a value: write the width")
    values = given if isinstance(given, tuple | Mapping) else (given,)
    _check_format(form, form.count("%"), values)
    made: str = form % _texts(given)
    return made


def brace_format(form: str, format_it: Callable[..., str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return ``form.format(*args, **kwargs)``, done by *format_it*, where that stays small."""
    if _NESTED.search(form.replace("{{", "").replace("}}", "")):
        raise TemplateError("a format within a format takes its width from a value: write the width")
    _check_format(form, form.count("{"), [*args, *kwargs.values()])
    return format_it(*_texts(tuple(args)), **_texts(dict(kwargs)))


def joined(values: Sequence[Any], separator: str = "") -> str:
    """Return the texts of *values*, joined."""
    texts = [plain_text(value) for value in values]
    current().fits(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def check_call(budget: Budget, text: str, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse the call of method *name* of *text* if its result would be too large."""
    predict = _METHODS.get(name)
    if predict is None:
        return
    try:
        size = predict(text, *args, **kwargs)
    except TypeError:  # the call itself says better what is wrong with its arguments
        return
    budget.fits(size)


def _pad(text: str, width: int, *_: Any) -> int:
    return max(len(text), width)


def _replace(text: str, old: str, new: str, *_: Any) -> int:
    return len(text) + text.count(old) * len(new)


def _join(text: str, parts: Sequence[str]) -> int:
    return sum(len(part) + len(text) for part in parts)


def _expand(text: str, tabsize: int = 8) -> int:
    return len(text) + text.count("\t") * tabsize


def _pieces(text: str, *_: Any, **__: Any) -> int:
    return len(text) * 8  # every second character one of its own


_METHODS: Mapping[str, Callable[..., int]] = {
    "split": _pieces,
    "rsplit": _pieces,
    "splitlines": _pieces,
    "center": _pad,
    "ljust": _pad,
    "rjust": _pad,
    "zfill": _pad,
    "replace": _replace,
    "join": _join,
    "expandtabs": _expand,
}

STRING_METHODS = frozenset((
    "capitalize", "casefold", "count", "endswith", "find", "format", "index", "isalnum", "isalpha", "isascii",
    "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "lower", "lstrip",
    "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split",
    "splitlines", "startswith", "strip", "swapcase", "title", "upper",
    *_METHODS,
))  # fmt: skip
"""What templates may call on strings."""


def _check_format(form: str, fields: int, values: Sequence[Any] | Mapping[Any, Any]) -> None:
    given = list(values.values()) if isinstance(values, Mapping) else list(values)
    if not all(isinstance(value, _SCALARS) for value in given):
        raise TemplateError("only texts and numbers can be formatted")
    widths = [int(digits) if len(digits) < 9 else MAX_FIELD_WIDTH + 1 for digits in _NUMBER.findall(form)]
    if sum(widths) > MAX_FIELD_WIDTH:
        raise TemplateError(f"a format may be at most {MAX_FIELD_WIDTH} characters wide")
    longest = max((len(value) if isinstance(value, str) else _NUMBER_TEXT for value in given), default=0)
    current().fits(len(form) + MAX_FIELD_WIDTH + fields * longest)


def _texts(given: Any) -> Any:
    """Return *given* with the text of fragments in place of them."""
    if isinstance(given, tuple):
        return tuple(map(_texts, given))
    if isinstance(given, Mapping):
        return {key: _texts(value) for key, value in given.items()}
    return str(given) if isinstance(given, Fragment) else given
