"""A template and values in, a prompt document out. Jinja is imported when the first template is rendered."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from comfypipe.errors import TemplateNotJSON
from comfypipe.template.document import NotADocument, parse_document
from comfypipe.template.limits import Limits
from comfypipe.template.rendered import Rendered, SourceMap

if TYPE_CHECKING:
    from comfypipe.template.fragment import Writer

DEFAULT_LIMITS = Limits()


def render(
    template: Path, values: Mapping[str, Any], *, root: Path, shown: str, limits: Limits = DEFAULT_LIMITS
) -> Rendered:
    """
    Render a ``.json.j2`` template to a prompt document.

    What an expression gives is written as its place in JSON demands: outside a string as a JSON value, inside one as
    text, escaped. So no value can add, close or change a node. Values are kept exactly, lone surrogates included: the
    document holds what was given, and ``json.dumps`` writes it as valid JSON.

    Compiled templates are kept, and compiled again when the file changes. The same template with the same values gives
    the same document.

    Args:
        template: The file.
        values: By name; plain JSON values.
        root: The folder that ``include`` and ``import`` are confined to.
        shown: The template's path as the user knows it.
        limits: What rendering may take.

    Raises:
        TemplateUndefined: It reads a name that is not among *values*.
        TemplateTooExpensive: It runs over a limit.
        TemplateNotJSON: What it writes is not the JSON of a prompt.
        TemplateError: Anything else that is wrong with it. All have the place in the template, as far as it is known.
    """
    names = _Names(template, root, shown)
    writer = _write(names, values, limits)
    positions = SourceMap(writer.pieces, names)
    try:
        document = parse_document(positions.text, forgiving=True)
    except NotADocument as error:
        source = positions.at(error.offset) if writer.pieces else None
        raise TemplateNotJSON(f"not a prompt: {error.message}", hint=error.hint, source=source) from error
    return Rendered(document, positions, shown)


def names_read(template: Path, root: Path, shown: str | None = None) -> frozenset[str]:
    """
    Return the names that a template reads from its values, through the files that it includes by name.

    Names that are defined on the way (by ``set``, ``for``, ``macro``, ``import``) are not among them. The template is
    compiled, so that whatever is wrong with it as such is raised.

    Raises:
        TemplateError: It cannot be compiled.
    """
    from comfypipe.template.budget import Budget, Spending
    from comfypipe.template.environment import environment_of
    from comfypipe.template.names import undeclared

    names = _Names(template, root, shown or template.name)
    environment = environment_of(names.root)
    with Spending(Budget(DEFAULT_LIMITS)), _Translated(names, ()):
        return undeclared(environment, environment.outlines, names.main)


class _Names(Mapping[str, tuple[str, Path]]):
    """
    What templates are called: within Jinja by their path below *root*, to the user by the path as shown.

    Attributes:
        main: Name of the template that is rendered; its absolute path, where it lies elsewhere.
    """

    def __init__(self, template: Path, root: Path, shown: str) -> None:
        self.root = root.absolute()
        self.main = template.absolute().as_posix()
        self._shown = shown
        self._prefix = ""
        below = self.root.as_posix().rstrip("/") + "/"
        if self.main.startswith(below):
            self.main = self.main.removeprefix(below)
            self._prefix = shown.removesuffix(self.main) if shown.endswith(self.main) else ""

    def __getitem__(self, name: str) -> tuple[str, Path]:
        return (self._shown if name == self.main else self._prefix + name), self.root / name

    def __iter__(self) -> Iterator[str]:
        yield self.main

    def __len__(self) -> int:
        return 1


class _Translated:
    """A ``with`` block that lets out nothing but errors in the template's own terms."""

    def __init__(self, names: _Names, defined: tuple[str, ...]) -> None:
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


def _write(names: _Names, values: Mapping[str, Any], limits: Limits) -> "Writer":
    from comfypipe.template.budget import Budget, Spending
    from comfypipe.template.environment import environment_of
    from comfypipe.template.fragment import Writer

    writer = Writer()
    with _Translated(names, tuple(values)):
        template = environment_of(names.root).get_template(names.main)  # the clock does not run while it is compiled
    with Spending(Budget(limits)) as budget, _Translated(names, tuple(values)):
        budget.weigh(values, strict=True)
        parts: Iterator[Any] = template.root_render_func(template.new_context(dict(values)))
        writer.write(parts)
    return writer
