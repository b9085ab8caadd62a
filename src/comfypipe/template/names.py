"""Which names a template reads."""

from collections.abc import Iterator

from jinja2 import nodes
from jinja2.environment import Environment
from jinja2.exceptions import TemplateNotFound
from jinja2.meta import find_undeclared_variables


def undeclared(environment: Environment, name: str) -> frozenset[str]:
    """
    Return the names that template *name* reads and does not define, through what it includes.

    Files whose name is computed are passed over; so are imports without context, which see no values.

    Raises:
        jinja2.TemplateError: As compiling does.
    """
    read: set[str] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(name, frozenset())]
    seen: set[str] = set()
    while waiting:
        each, defined_before = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        environment.get_template(each)  # what is wrong with it is raised here
        tree = _tree(environment, each)
        defined = defined_before | frozenset(_defined(tree))
        read |= find_undeclared_variables(tree) - defined
        waiting.extend((inner, defined) for inner in _seen_from(environment, tree, each))
    return frozenset(read)


def _tree(environment: Environment, name: str) -> nodes.Template:
    assert environment.loader is not None  # noqa: S101  ours has one
    source, filename, _ = environment.loader.get_source(environment, name)
    return environment.parse(source, name, filename)


def _defined(tree: nodes.Template) -> Iterator[str]:
    for node in tree.find_all((nodes.Name, nodes.Macro, nodes.Import, nodes.FromImport)):
        match node:
            case nodes.Name(ctx="store" | "param"):
                yield node.name
            case nodes.Macro():
                yield node.name
            case nodes.Import():
                yield node.target
            case nodes.FromImport():
                yield from (name if isinstance(name, str) else name[1] for name in node.names)


def _seen_from(environment: Environment, tree: nodes.Template, name: str) -> Iterator[str]:
    """Yield the names of files that see the values of *tree*."""
    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport)):
        assert isinstance(node, nodes.Include | nodes.Import | nodes.FromImport)  # noqa: S101  for the type checker
        asked = _constants(node.template) if node.with_context else []
        for each in asked:
            inner = environment.join_path(each, name)
            try:
                environment.get_template(inner)
            except TemplateNotFound:
                if each == asked[-1] and not getattr(node, "ignore_missing", False):
                    raise
            else:
                yield inner
                break


def _constants(expression: nodes.Expr) -> list[str]:
    """Return the names that *expression* lists, or none where one is computed."""
    items = expression.items if isinstance(expression, nodes.List | nodes.Tuple) else [expression]
    values = [item.value for item in items if isinstance(item, nodes.Const) and isinstance(item.value, str)]
    return values if len(values) == len(items) else []
