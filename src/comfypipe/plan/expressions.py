"""``{{ … }}`` in pipeline manifests: parsed once, evaluated in a sandbox that knows nothing but its scope."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from comfypipe.manifest.values import FileValue, Value, describe, shortened

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.sandbox import SandboxedEnvironment

_SIMPLE = re.compile(r"\{\{\s*(?:(item)|(inputs)\.(\w+)|(steps)\.(\w+)\.(outputs)\.(\w+))\s*\}\}", re.ASCII)
_MAX_CHARACTERS = 10_000
_MAX_REPEATED = 1_000_000
_ROOTS = ("inputs", "steps", "item")


class ExpressionError(Exception):
    """
    An expression cannot be parsed or evaluated.

    Attributes:
        problem: In one line.
        certain: Whether any value of the kind that it reads is wrong, not only this one.
    """

    def __init__(self, problem: str, hint: str | None = None, *, certain: bool = False) -> None:
        super().__init__(problem)
        self.certain = certain
        self.problem = problem
        self.hint = hint


class Names:
    """
    Values by name, as expressions see them.

    It has no attributes of its own: in ``inputs.items`` the name is an input's, where a dict would give its method.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]


class Expression(Struct, frozen=True, dict=True):
    """
    Text with ``{{ … }}`` in it.

    Attributes:
        whole: Whether it is one expression and nothing else: its value keeps its type. Otherwise it gives text.
        references: What it reads, each as the path of its names: ``("steps", "cutout", "outputs", "image")``.
        simple: Whether it is nothing but a reference, and needs no sandbox.
    """

    text: str
    whole: bool
    references: tuple[tuple[str, ...], ...]
    simple: bool = False

    @cached_property
    def steps(self) -> frozenset[str]:
        """Ids of the steps that it reads."""
        return frozenset(path[1] for path in self.references if path[0] == "steps" and len(path) > 1)

    def reads(self, root: str) -> bool:
        """Whether it reads ``inputs``, ``steps`` or ``item``."""
        return any(path[0] == root for path in self.references)

    def evaluate(self, scope: Mapping[str, Any]) -> Value:
        """
        Return the value.

        Args:
            scope: ``inputs``, ``steps`` and, in a fan-out, ``item``.

        Raises:
            ExpressionError: It has none.
        """
        if self.simple:
            return _walk(self.references[0], scope)
        from jinja2 import TemplateError

        try:
            return _plain(_compiled(self.text, self.whole)(scope))
        except ExpressionError:
            raise
        except (
            TemplateError,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
        ) as error:
            raise ExpressionError(f"{self.text.strip()} has no value: {_reason(error)}") from None


def is_expression(value: object) -> bool:
    """Whether *value* is text with an expression in it."""
    return isinstance(value, str) and "{{" in value


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Expression:
    """
    Parse *text*.

    Raises:
        ExpressionError: It is no expression that can be evaluated here.
    """
    if simple := _SIMPLE.fullmatch(text.strip()):
        return Expression(text, True, (tuple(part for part in simple.groups() if part),), True)
    if len(text) > _MAX_CHARACTERS:
        raise ExpressionError(f"an expression has at most {_MAX_CHARACTERS} characters")
    from jinja2 import TemplateSyntaxError

    try:
        body = _environment().parse(text).body
    except TemplateSyntaxError as error:
        raise ExpressionError(f"{shortened(text)} cannot be parsed: {error.message}") from None
    except RecursionError:
        raise ExpressionError(f"{shortened(text)} is nested too deeply") from None
    outputs = [node for each in body for node in getattr(each, "nodes", ())]
    _compiled(text, _is_whole(text, outputs))
    return Expression(text, _is_whole(text, outputs), tuple(dict.fromkeys(_references(outputs))))


def _is_whole(text: str, outputs: "list[nodes.Expr]") -> bool:
    from jinja2 import nodes

    alone = len(outputs) == 1 and not isinstance(outputs[0], nodes.TemplateData)
    return alone and text.strip().startswith("{{") and text.strip().endswith("}}")


def _references(found: "list[nodes.Expr]") -> Iterator[tuple[str, ...]]:
    from jinja2 import nodes

    waiting: list[nodes.Node] = list(found)
    while waiting:
        node = waiting.pop()
        path = _path(node)
        if path is None:
            waiting.extend(node.iter_child_nodes())
        elif path[0] not in _ROOTS:
            raise ExpressionError(f'there is no "{path[0]}" here', _elsewhere(path[0]))
        else:
            yield path


def _path(node: "nodes.Node") -> tuple[str, ...] | None:
    """Return the names of ``a.b["c"]``; None when the node is something else."""
    from jinja2 import nodes

    names: list[str] = []
    while True:
        match node:
            case nodes.Name(name=name):
                return (str(name), *reversed(names))
            case nodes.Getattr(node=inner, attr=attr):
                names.append(str(attr))
            case nodes.Getitem(node=inner, arg=nodes.Const(value=str(key))):
                names.append(key)
            case nodes.Getitem(node=inner, arg=nodes.Const()):
                names.clear()  # an index into a value: what comes after it is no name of ours
            case _:
                return None
        node = inner


def _elsewhere(name: str) -> str:
    return f"inputs are read as inputs.{name}, outputs as steps.ID.outputs.{name}"


def _walk(path: tuple[str, ...], scope: Mapping[str, Any]) -> Value:
    value: Any = scope
    for name in path:
        try:
            value = value[name]
        except (KeyError, TypeError):
            raise ExpressionError(f"{'.'.join(path)} has no value") from None
    return _plain(value)


@lru_cache(maxsize=1)
def _environment() -> "SandboxedEnvironment":
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if isinstance(obj, FileValue):
                return attr in ("filename", "media")  # a path would tie the plan to this machine
            return super().is_safe_attribute(obj, attr, value)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _refuse_giant(operator, left, right)
            return super().call_binop(context, operator, left, right)

    environment = Sandbox(
        # Only {{ }} means anything; what looks like a block or a comment is text.
        block_start_string="\x01{%",
        block_end_string="%}\x01",
        comment_start_string="\x01{#",
        comment_end_string="#}\x01",
        undefined=StrictUndefined,
        finalize=_as_text,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.globals.clear()
    environment.filters.pop("random")  # the same plan gives the same jobs
    return environment


def _refuse_giant(operator: str, left: Any, right: Any) -> None:
    sized = [each for each in (left, right) if isinstance(each, str | list | tuple)]
    if operator == "**" and isinstance(right, int | float) and abs(right) > 64:
        raise ExpressionError("powers above 64 are not computed here")
    if operator == "*" and sized and len(sized[0]) * max(_count(left), _count(right)) > _MAX_REPEATED:
        raise ExpressionError("text that long is not made here")


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _as_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
    certain = isinstance(value, FileValue | list | dict)
    raise ExpressionError(f"{describe(value)} cannot stand inside text", "only text and numbers can", certain=certain)


@lru_cache(maxsize=4096)
def _compiled(text: str, whole: bool) -> Any:
    from jinja2 import TemplateError

    environment = _environment()
    try:
        if whole:
            inner = text.strip()[2:-2].strip("-+")
            return environment.compile_expression(inner, undefined_to_none=False)
        template = environment.from_string(text)
    except TemplateError as error:
        raise ExpressionError(f"{shortened(text)} cannot be parsed: {error.message}") from None
    except (RecursionError, SyntaxError, MemoryError):  # Python's compiler has limits of its own
        raise ExpressionError(f"{shortened(text)} is nested too deeply") from None
    return template.render


def _plain(value: Any) -> Value:
    """Return a value of our own types: what filters yield lazily as a list, marked-up text as text."""
    match value:
        case None | bool() | int() | float() | FileValue():
            return value
        case str():
            return "".join(value)
        case list() | tuple() | GeneratorType():
            return [_plain(each) for each in value]
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        str(value)  # raises, and says which name it was
    raise ExpressionError(f"{describe(value)} is no value for an input")


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
