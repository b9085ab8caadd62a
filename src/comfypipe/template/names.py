"""Which names a template reads."""

from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import nodes
from jinja2.environment import Environment
from jinja2.exceptions import TemplateNotFound

_GIVEN_BY_JINJA = frozenset(("loop", "caller", "varargs", "kwargs"))


class Files(NamedTuple):
    """
    The files that one tag may bring in, and that see the template's values.

    Attributes:
        names: The first of them that is there is taken.
        optional: Whether there may be none.
    """

    names: tuple[str, ...]
    optional: bool


class Outline(NamedTuple):
    """
    What a template says of names, noted when it is compiled.

    Attributes:
        reads: Names that it reads.
        defines: Names that it defines itself, wherever that may be.
        files: What it brings in; files whose name is computed are not among them.
    """

    reads: frozenset[str]
    defines: frozenset[str]
    files: tuple[Files, ...]


def outline(tree: nodes.Template) -> Outline:
    """Look through a template's syntax tree."""
    reads: set[str] = set()
    defines: set[str] = set(_GIVEN_BY_JINJA)
    files: list[Files] = []
    for node in tree.find_all((nodes.Name, nodes.Macro, nodes.Include, nodes.Import, nodes.FromImport)):
        match node:
            case nodes.Name(ctx="load"):
                reads.add(node.name)
            case nodes.Name() | nodes.Macro():
                defines.add(node.name)
            case nodes.Import():
                defines.add(node.target)
            case nodes.FromImport():
                defines.update(name if isinstance(name, str) else name[1] for name in node.names)
        if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport) and node.with_context:
            files.append(Files(_constants(node.template), bool(getattr(node, "ignore_missing", False))))
    return Outline(frozenset(reads), frozenset(defines), tuple(files))


def undeclared(environment: Environment, outlines: dict[str, Outline], name: str) -> frozenset[str]:
    """
    Return the names that template *name* reads and does not define, through what it includes.

    Files whose name is computed are passed over; so are imports without context, which see no values.

    Args:
        outlines: Of the templates that *environment* has compiled, by name.

    Raises:
        jinja2.TemplateError: As compiling does.
    """
    read: set[str] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset(environment.globals))]
    seen: set[str] = set()
    while waiting:
        each, defined_before = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        environment.get_template(each)  # what is wrong with it is raised here
        found = outlines[each]
        defined = defined_before | found.defines
        read |= found.reads - defined
        waiting.extend((inner, defined) for files in found.files for inner in _taken(environment, files, each))
    return frozenset(read)


def _taken(environment: Environment, files: Files, parent: str) -> Iterator[str]:
    for each in files.names:
        inner = environment.join_path(each, parent)
        try:
            environment.get_template(inner)
        except TemplateNotFound:
            if each == files.names[-1] and not files.optional:
                raise
        else:
            yield inner
            return


def _constants(expression: nodes.Expr) -> tuple[str, ...]:
    """Return the names that *expression* lists, or none where one is computed."""
    items = expression.items if isinstance(expression, nodes.List | nodes.Tuple) else [expression]
    values = [item.value for item in items if isinstance(item, nodes.Const) and isinstance(item.value, str)]
    return tuple(values) if len(values) == len(items) else ()
