"""Templates compiled and run: all of rendering that needs Jinja."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from comfypipe.template.budget import Budget, Spending
from comfypipe.template.environment import environment_of
from comfypipe.template.files import TemplateNames
from comfypipe.template.fragment import Writer
from comfypipe.template.limits import Limits
from comfypipe.template.names import undeclared
from comfypipe.template.rendered import Piece


def write(names: TemplateNames, values: Mapping[str, Any], limits: Limits) -> list[Piece]:
    """
    Return the text that a template gives for *values*, in pieces.

    Raises:
        TemplateError: It cannot be compiled, or not be run with these values.
    """
    writer = Writer()
    with _Translated(names, tuple(values)):
        template = environment_of(names.root).get_template(names.main)  # the clock does not run while it is compiled
    with Spending(Budget(limits)) as budget, _Translated(names, tuple(values)):
        budget.weigh(values, strict=True)
        parts: Iterator[Any] = template.root_render_func(template.new_context(dict(values)))
        writer.write(parts)
    return writer.pieces


def names_undeclared(names: TemplateNames, limits: Limits) -> frozenset[str]:
    """
    Return the names that a template reads from its values.

    Raises:
        TemplateError: It cannot be compiled.
    """
    environment = environment_of(names.root)
    with Spending(Budget(limits)), _Translated(names, ()):
        return undeclared(environment, environment.outlines, names.main)


class _Translated:
    """A ``with`` block that lets out nothing but errors in the template's own terms."""

    def __init__(self, names: TemplateNames, defined: tuple[str, ...]) -> None:
        self._names = names
        self._defined = defined

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, Exception):
            return
        from comfypipe.template.faults import to_template_error

        found = to_template_error(error, self._names.main, self._defined, self._names.root)
        if found.source is not None:
            found.source = replace(found.source, path=self._names[found.source.path][0])
        if found is not error:
            raise found from error
