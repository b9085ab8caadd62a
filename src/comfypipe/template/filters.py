"""The filters that templates have: Jinja's, less those for HTML and chance, each held to the limits."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from jinja2.environment import Environment
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.runtime import Undefined
from jinja2.utils import pass_environment

from comfypipe.errors import TemplateError
from comfypipe.template.budget import Budget, current
from comfypipe.template.fragment import Fragment, JSONText, json_text, plain_text
from comfypipe.template.text import joined, percent_format

_PLAIN = (
    "abs", "batch", "count", "d", "default", "dictsort", "filesizeformat", "first", "float", "groupby", "int",
    "items", "last", "length", "list", "map", "max", "min", "reject", "rejectattr", "reverse", "round",
    "select", "selectattr", "slice", "sort", "sum", "unique",
)  # fmt: skip
_OF_TEXT = (
    "capitalize", "center", "indent", "lower", "replace", "title", "trim", "truncate", "upper", "urlencode",
    "wordcount",
)  # fmt: skip
"""These take the text of what they are given."""

_OVER_ITEMS = frozenset(
    ("batch", "dictsort", "groupby", "items", "join", "list", "map", "max", "min", "reject", "rejectattr", "select",
    "selectattr", "slice", "sort", "sum", "unique")
)  # fmt: skip
"""These take a string for its characters."""

_SLOW = frozenset(("title", "truncate", "urlencode", "wordcount"))
"""These take many times as long for a character as others."""

_CHARACTER = 16  # what a character costs there

_TAKE_UNDEFINED = ("d", "default")


def public_filters() -> dict[str, Callable[..., Any]]:
    """Return the filters by name."""
    jinja: dict[str, Any] = FILTERS
    plain = {name: _guarded(name, jinja[name]) for name in _PLAIN}
    of_text = {name: _guarded(name, jinja[name], of_text=True) for name in _OF_TEXT}
    own: dict[str, Callable[..., Any]]
    own = {"format": _format, "join": _join, "string": plain_text, "tojson": _to_json}
    return plain | of_text | {name: _guarded(name, function) for name, function in own.items()}


def _guarded(name: str, function: Callable[..., Any], *, of_text: bool = False) -> Callable[..., Any]:
    check = _CHECKS.get(name)
    costly = name in _OVER_ITEMS or name in _SLOW
    first = 1 if hasattr(function, "jinja_pass_arg") else 0  # before it stand the context or the environment

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        budget = current()
        budget.tick()
        given = [*args[:first], *(_argument(name, value) for value in args[first:])]
        if of_text:
            given[first] = plain_text(given[first])
        if costly and isinstance(given[first], str):
            budget.fits(len(given[first]) * _CHARACTER)
        if check is not None:
            _ask(check, name, budget, given[first:], kwargs)
        return budget.keep(function(*given, **kwargs))

    return guarded


def _ask(check: Callable[..., None], name: str, budget: Budget, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    try:
        check(budget, *args, **kwargs)
    except TypeError as error:
        raise TemplateError(f"the filter {name} takes no such arguments") from error


def _argument(name: str, value: Any) -> Any:
    if name in _TAKE_UNDEFINED:
        return value
    if isinstance(value, Fragment):
        return str(value)
    if isinstance(value, str | int | float | list | tuple | Mapping | range | Undefined | None):
        return value
    raise TemplateError(f"the filter {name} takes no {type(value).__name__}")


def _to_json(value: Any) -> JSONText:
    return JSONText(json_text(str(value) if isinstance(value, JSONText) else value))


def _format(form: str, *args: Any, **kwargs: Any) -> str:
    return percent_format(form, kwargs or args)


@pass_environment
def _join(environment: Environment, values: Any, d: str = "", attribute: str | int | None = None) -> str:
    """Join with the separator *d*; the name is Jinja's."""
    if attribute is not None:
        values = map(make_attrgetter(environment, attribute), values)
    return joined(list(values), plain_text(d))


# What each may come to, before it is done. The parameters have Jinja's names: templates may use them.


def _check_center(budget: Budget, _value: Any, width: int = 80) -> None:
    budget.fits(width)


def _check_indent(budget: Budget, value: str, width: int | str = 4, *_: Any, **__: Any) -> None:
    budget.fits(len(value) + (value.count("\n") + 1) * (width if isinstance(width, int) else len(width)))


def _check_replace(budget: Budget, value: str, old: Any, new: Any, *_: Any, **__: Any) -> None:
    budget.fits(len(value) + value.count(plain_text(old)) * len(plain_text(new)))


def _check_round(_budget: Budget, _value: Any, precision: int = 0, *_: Any, **__: Any) -> None:
    if abs(precision) > 100:
        raise TemplateError("round takes a precision of at most 100")


def _check_batch(budget: Budget, _value: Any, linecount: int, *_: Any, **__: Any) -> None:
    budget.fits(linecount * 8)


def _check_slice(budget: Budget, _value: Any, slices: int, *_: Any, **__: Any) -> None:
    budget.fits(slices * 8)


def _check_sum(_budget: Budget, _value: Any, attribute: Any = None, start: Any = 0) -> None:  # noqa: ARG001
    if not isinstance(start, int | float):
        raise TemplateError("sum adds numbers", hint="join texts with |join, lists with +")


_CHECKS: Mapping[str, Callable[..., None]] = {
    "center": _check_center,
    "indent": _check_indent,
    "replace": _check_replace,
    "round": _check_round,
    "batch": _check_batch,
    "slice": _check_slice,
    "sum": _check_sum,
}
