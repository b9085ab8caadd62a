"""
What the rewritten code of a template calls while it runs.

These are filters with a space in their name, so that a template can write none of them; `JSONEnvironment.call_filter`
keeps them from being named in a string as well.
"""

from collections.abc import Callable, Sequence
from typing import Any

from jinja2.environment import Environment
from jinja2.exceptions import TemplateNotFound
from jinja2.runtime import Context, Undefined
from jinja2.utils import pass_environment

from comfypipe.errors import TemplateError
from comfypipe.template.budget import CURRENT, current
from comfypipe.template.fragment import PART_SIZE, Fragment, Guard, Hole, plain_text
from comfypipe.template.rendered import Place
from comfypipe.template.text import joined

EMIT, GUARD, SPEND, CHECKED, JOIN, TEXT, INCLUDE = (
    f"json {name}" for name in ("emit", "guard", "spend", "checked", "join", "text", "include")
)


def emit(value: Any, ways: tuple[int, int], place: Place) -> Hole:
    """Put a value where it is to be written."""
    kind = type(value)
    if kind is str:
        size = len(value)
    elif kind is int or kind is float or kind is bool:
        size = 0
    elif kind is Fragment:
        size = value.size
    elif isinstance(value, Undefined) and type(value) is not Undefined:
        raise_undefined(value)
    else:
        size = current().weigh(value)
    CURRENT.get().spend(size + PART_SIZE)
    return Hole(value, ways, place, size)


def raise_undefined(value: Undefined) -> None:
    """Raise what an undefined value has to say."""
    str(value)


def guard(entry: int, reason: str, place: Place) -> Guard:
    """Say that the body that begins here works in one way of entering only."""
    return Guard(entry, reason, place)


def spend(size: int) -> None:
    """Count the text of a body, and a turn of its loop."""
    current().spend(size)


def checked(value: Any) -> Any:
    """Hold what an operation gave to the limits, and read the clock after it."""
    budget = current()
    budget.tick()
    return budget.keep(value)


def join(values: Sequence[Any]) -> str:
    """Do ``a ~ b ~ c``."""
    return str(checked(joined(values)))


@pass_environment
def include(environment: Environment, names: Any, context: Context | None, ignore_missing: bool, parent: str) -> Any:
    """Do ``{% include %}``: what the file writes comes back in parts, so that the place of the tag decides."""
    template = _first_found(environment, names, ignore_missing, parent)
    if template is None:
        return Fragment(())
    budget = current()
    budget.enter()
    try:
        inner = template.new_context(None if context is None else context.get_all(), shared=context is not None)
        return Fragment(list(template.root_render_func(inner)))
    finally:
        budget.leave()


def _first_found(environment: Environment, names: Any, ignore_missing: bool, parent: str) -> Any:
    asked = [names] if isinstance(names, str) else names
    if not isinstance(asked, list | tuple) or not all(isinstance(name, str) for name in asked):
        raise TemplateError("include takes the name of a file, or a list of names")
    missing: TemplateNotFound | None = None
    for name in asked:
        try:
            return environment.get_template(name, parent)
        except TemplateNotFound as error:
            missing = missing or error
    if missing is None or ignore_missing:
        return None
    raise missing


STEPS: dict[str, Callable[..., Any]] = {
    EMIT: emit,
    GUARD: guard,
    SPEND: spend,
    CHECKED: checked,
    JOIN: join,
    TEXT: plain_text,
    INCLUDE: include,
}
