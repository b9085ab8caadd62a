"""
A template's syntax tree, rewritten so that every value is escaped for its place in JSON and nothing escapes the limits.

This happens once, when the template is compiled. Jinja hands over the tree, in which a branch, a loop or a macro is one
node with its body; so text and expressions are walked in the order in which they are written, and a body that leaves a
string open is seen where it stands. (A token filter would see the same text, but would have to find the bodies again.)
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from jinja2 import nodes
from jinja2.environment import Environment
from jinja2.visitor import NodeTransformer

from comfypipe.diagnostics import Source, did_you_mean
from comfypipe.errors import TemplateError
from comfypipe.template import steps
from comfypipe.template.fragment import PART_SIZE
from comfypipe.template.position import Fault, Position

RESERVED = "_comfypipe"
"""Names that begin so are the rewriting's own."""


class Rewriter(NodeTransformer):
    """
    Rewrites one template.

    Args:
        name: The template's, as it stands in places.

    Raises:
        TemplateError: A body leaves a string open or closes one, a tag is not supported, a filter is unknown.
    """

    def __init__(self, environment: Environment, name: str) -> None:
        self._environment = environment
        self._name = name
        self._position = Position()
        self._in_text = 0  # depth of blocks whose text is a value: its place in JSON is not that of the tag
        self._sizes = [0]  # characters of literal text, by enclosing body that is counted on its own
        self._fresh = count(1)

    def rewrite(self, tree: nodes.Template) -> nodes.Template:
        """Rewrite *tree* in place."""
        tree.body = self._alone(tree.body, "the file", 1)
        tree.set_environment(self._environment)
        return tree

    def get_visitor(self, node: nodes.Node) -> Callable[..., Any] | None:
        """Return the method for this kind of node, or None to walk on through its children."""
        name = type(node).__name__.lower()
        found: Callable[..., Any] | None = getattr(self, f"visit_{_RENAMED.get(name, name)}", None)
        return found

    # Bodies

    def _sequence(self, body: Sequence[nodes.Node]) -> list[nodes.Node]:
        made: list[nodes.Node] = []
        for node in body:
            changed = self.visit(node)
            made.extend(changed if isinstance(changed, list) else [changed])
        return made

    def _counted(self, body: Sequence[nodes.Node], line: int) -> list[nodes.Node]:
        """Rewrite a body that is run many times: each time counts its text and reads the clock."""
        self._sizes.append(PART_SIZE)
        made = self._sequence(body)
        size = nodes.Const(self._sizes.pop(), lineno=line)
        return [nodes.ExprStmt(_step(steps.SPEND, size, line), lineno=line), *made]

    def _branch(self, body: Sequence[nodes.Node], what: str, line: int, *, counted: bool = False) -> list[nodes.Node]:
        """Rewrite a body after which the position has to be what it was before."""
        before = self._position.copy()
        made = self._counted(body, line) if counted else self._sequence(body)
        self._position.settle(before, what, line)
        return made

    def _alone(self, body: Sequence[nodes.Node], what: str, line: int) -> list[nodes.Node]:
        """Rewrite a body that does not know where it will be used: it has to work inside a string or outside."""
        outer, self._position = self._position, Position()
        text, self._in_text = self._in_text, 0
        made = self._branch(body, what, line, counted=True)
        outside, inside = self._position.faults()
        self._position, self._in_text = outer, text
        if outside and inside:
            worse = max(outside, inside, key=lambda fault: fault.line)
            raise TemplateError(worse.message, source=Source(self._name, worse.line))
        fault = outside or inside
        return made if fault is None else [self._guard(fault, 1 if outside else 0, line), *made]

    def _guard(self, fault: Fault, entry: int, line: int) -> nodes.Output:
        constants: list[nodes.Expr] = [nodes.Const(fault.message), nodes.Const((self._name, fault.line))]
        return nodes.Output([_step(steps.GUARD, nodes.Const(entry), line, *constants)], lineno=line)

    def _captured(self, body: list[nodes.Node], line: int, filter_: nodes.Filter | None = None) -> list[nodes.Node]:
        """Keep what *body* writes, or gives, in a variable, and write that as a value."""
        name = f"{RESERVED}_{next(self._fresh)}"
        keep = nodes.AssignBlock(nodes.Name(name, "store", lineno=line), filter_, body, lineno=line)
        return [keep, nodes.Output([self._emit(nodes.Name(name, "load", lineno=line), line)], lineno=line)]

    def _as_text(self, body: list[nodes.Node]) -> list[nodes.Node]:
        """Rewrite a body whose text is a value, not JSON."""
        before = self._position.copy()
        self._in_text += 1
        made = self._sequence(body)
        self._in_text -= 1
        self._position = before
        return made

    def _emit(self, value: nodes.Expr, line: int) -> nodes.Filter:
        constants: list[nodes.Expr] = [nodes.Const(self._position.ways()), nodes.Const((self._name, line))]
        return _step(steps.EMIT, value, line, *constants)

    # Statements

    def visit_output(self, node: nodes.Output) -> nodes.Output:
        node.nodes = [self._child(child) for child in node.nodes]
        return node

    def _child(self, child: nodes.Expr) -> nodes.Expr:
        if not isinstance(child, nodes.TemplateData):
            return self._emit(self.visit(child), child.lineno)
        if not self._in_text:
            self._position.literal(child.data, child.lineno)
        self._sizes[-1] += len(child.data) + PART_SIZE
        return nodes.Const((child.data, (self._name, child.lineno), True), lineno=child.lineno)

    def visit_if(self, node: nodes.If) -> nodes.If:
        node.test = self.visit(node.test)
        node.body = self._branch(node.body, "this branch of {% if %}", node.lineno)
        for each in node.elif_:
            each.test = self.visit(each.test)
            each.body = self._branch(each.body, "this branch of {% elif %}", each.lineno)
        otherwise = node.else_[0].lineno if node.else_ else node.lineno
        node.else_ = self._branch(node.else_, "this branch of {% else %}", otherwise)
        return node

    def visit_for(self, node: nodes.For) -> nodes.Node | list[nodes.Node]:
        node.iter = self.visit(node.iter)
        if node.test is not None:
            node.test = _step(steps.CHECKED, self.visit(node.test), node.lineno)
        if node.recursive:
            node.body = self._alone(node.body, "this recursive {% for %}", node.lineno)
            node.else_ = self._alone(node.else_, "{% else %} of this {% for %}", node.lineno) if node.else_ else []
            return self._captured([node], node.lineno)
        node.body = self._branch(node.body, "this {% for %}", node.lineno, counted=True)
        node.else_ = self._branch(node.else_, "{% else %} of this {% for %}", node.lineno)
        return node

    def visit_macro(self, node: nodes.Macro) -> nodes.Macro:
        node.defaults = [self.visit(default) for default in node.defaults]
        node.body = self._alone(node.body, f'the macro "{node.name}"', node.lineno)
        return node

    def visit_callblock(self, node: nodes.CallBlock) -> list[nodes.Node]:
        node.call = self.visit(node.call)
        node.defaults = [self.visit(default) for default in node.defaults]
        node.body = self._alone(node.body, "this {% call %}", node.lineno)
        return self._captured([node], node.lineno)

    def visit_filterblock(self, node: nodes.FilterBlock) -> list[nodes.Node]:
        chain = self._of_text(self.visit(node.filter), node.lineno)
        return self._captured(self._as_text(node.body), node.lineno, chain)

    def visit_assignblock(self, node: nodes.AssignBlock) -> nodes.AssignBlock:
        self.visit(node.target)
        chain = None if node.filter is None else self.visit(node.filter)
        node.filter = self._of_text(chain, node.lineno)
        node.body = self._as_text(node.body)
        return node

    def _of_text(self, chain: nodes.Filter | None, line: int) -> nodes.Filter:
        """Return *chain* with the text of the block, rather than its parts, at its beginning."""
        text = nodes.Filter(None, steps.TEXT, [], [], None, None, lineno=line)
        if chain is None:
            return text
        innermost = chain
        while isinstance(innermost.node, nodes.Filter):
            innermost = innermost.node
        innermost.node = text
        return chain

    def visit_include(self, node: nodes.Include) -> nodes.Output:
        context = nodes.DerivedContextReference() if node.with_context else nodes.Const(None)
        rest: list[nodes.Expr] = [context, nodes.Const(node.ignore_missing), nodes.Const(self._name)]
        included = _step(steps.INCLUDE, self.visit(node.template), node.lineno, *rest)
        return nodes.Output([self._emit(included, node.lineno)], lineno=node.lineno)

    def visit_with(self, node: nodes.With) -> nodes.With:
        node.values = [self.visit(value) for value in node.values]
        node.body = self._sequence(node.body)
        return node

    def _unsupported(self, node: nodes.Node) -> nodes.Node:
        tag = {"ScopedEvalContextModifier": "autoescape"}.get(type(node).__name__, type(node).__name__.lower())
        hint = "use {% include %}, or a macro" if tag in ("extends", "block") else None
        raise self._error(f"{{% {tag} %}} is not supported", node.lineno, hint)

    visit_extends = visit_block = visit_scopedevalcontextmodifier = visit_evalcontextmodifier = _unsupported

    # Expressions

    def visit_name(self, node: nodes.Name) -> nodes.Name:
        if node.name.startswith(RESERVED) and node.ctx != "load":
            raise self._error(f"names that begin with {RESERVED} are reserved", node.lineno)
        return node

    def visit_filter(self, node: nodes.Filter) -> nodes.Filter:
        self._check_known("filter", node, self._environment.filters)
        self.generic_visit(node)
        return node

    def visit_test(self, node: nodes.Test) -> nodes.Filter:
        self._check_known("test", node, self._environment.tests)
        return _step(steps.CHECKED, self.generic_visit(node), node.lineno)

    def visit_compare(self, node: nodes.Compare) -> nodes.Filter:
        return _step(steps.CHECKED, self.generic_visit(node), node.lineno)

    def visit_getitem(self, node: nodes.Getitem) -> nodes.Node:
        sliced = isinstance(node.arg, nodes.Slice)
        self.generic_visit(node)
        return _step(steps.CHECKED, node, node.lineno) if sliced else node

    def visit_concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return _step(steps.JOIN, nodes.List(node.nodes, lineno=node.lineno), node.lineno)

    def _literal(self, node: nodes.List | nodes.Tuple | nodes.Dict) -> nodes.Node:
        if isinstance(node, nodes.Tuple) and node.ctx != "load":  # a target of an assignment
            return self.generic_visit(node)
        return _step(steps.CHECKED, self.generic_visit(node), node.lineno)

    visit_list_literal = visit_tuple = visit_dict = _literal

    def _check_known(self, kind: str, node: nodes.Filter | nodes.Test, known: Mapping[str, object]) -> None:
        if node.name not in known:
            names = [name for name in known if " " not in name]
            hint = _BY_ITSELF if node.name in _ESCAPING else did_you_mean(node.name, names)
            raise self._error(f'no {kind} is called "{node.name}"', node.lineno, hint)

    def _error(self, message: str, line: int, hint: str | None = None) -> TemplateError:
        return TemplateError(message, hint=hint, source=Source(self._name, line))


_RENAMED = {"list": "list_literal"}  # NodeTransformer has a visit_list of another kind
_ESCAPING = ("safe", "e", "escape", "forceescape")
_BY_ITSELF = "values are escaped for their place in JSON: leave it out"


def _step(name: str, value: nodes.Node, line: int, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(value, name, list(args), [], None, None, lineno=line)
