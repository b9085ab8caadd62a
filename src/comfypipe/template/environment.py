"""The Jinja environment of templates: sandboxed, strict about undefined names, aware of JSON, held to limits."""

from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.environment import Template, TemplateModule
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from comfypipe.errors import TemplateError, TemplateTooExpensive
from comfypipe.template.budget import MAX_DIGITS_BITS, MAX_RANGE, current
from comfypipe.template.filters import public_filters
from comfypipe.template.fragment import Fragment, gather
from comfypipe.template.loader import FolderLoader, confined
from comfypipe.template.names import Outline, outline
from comfypipe.template.rewrite import Rewriter
from comfypipe.template.steps import STEPS
from comfypipe.template.text import STRING_METHODS, brace_format, check_call, percent_format
from comfypipe.template.undefined import Undefined

_METHODS: Mapping[type, frozenset[str]] = {
    str: STRING_METHODS,
    dict: frozenset({"get", "items", "keys", "values"}),
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    int: frozenset(),
    float: frozenset(),
    range: frozenset(),
    type: frozenset(),
    Fragment: frozenset(),
    LoopContext: frozenset(name for name in vars(LoopContext) if not name.startswith("_")) | {"depth0"},
}


class JSONTemplate(Template):
    """A template whose module, when it is imported, is made anew for each rendering: state in it must not leak."""

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:  # noqa: ARG002
        kept = current().kept
        if self not in kept:
            kept[self] = self.make_module()
        module: TemplateModule = kept[self]
        return module

    def make_module(self, *args: Any, **kwargs: Any) -> TemplateModule:
        """Run the file for what it defines."""
        budget = current()
        budget.enter()
        try:
            return super().make_module(*args, **kwargs)
        finally:
            budget.leave()


class JSONCodeGenerator(CodeGenerator):
    """Writes out parts as they are, where Jinja would make strings of them."""

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802  Jinja's name
        for child in node.nodes:
            self.start_write(frame, child)
            self.visit(child, frame)
            self.end_write(frame)


class JSONEnvironment(ImmutableSandboxedEnvironment):
    """
    Compiles templates below one folder, and runs their operations.

    Args:
        root: The folder that includes and imports are confined to.
    """

    code_generator_class = JSONCodeGenerator
    template_class = JSONTemplate
    concat = staticmethod(gather)  # type: ignore[assignment]  # parts, where Jinja joins strings
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self, root: Path) -> None:
        super().__init__(
            undefined=Undefined,
            autoescape=False,
            optimized=False,  # constants would be worked out while compiling, where no limit holds
            loader=FolderLoader(root),
        )
        self.root = root
        self.outlines: dict[str, Outline] = {}
        self._real_root = root.resolve()
        self.filters = {**public_filters(), **STEPS}
        self.globals = {name: self.globals[name] for name in ("namespace", "cycler", "joiner")}
        self.globals |= {"range": _range, "dict": _dict}

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        self.outlines[name or ""] = outline(source)
        return super()._generate(Rewriter(self, name or "").rewrite(source), name, filename, defer_init)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Return the globals of a template: a plain dict, which each rendering copies; ours never change."""
        return {**self.globals, **(d or {})}

    def join_path(self, template: str, parent: str) -> str:  # noqa: ARG002
        """Return the name of a template that another one asks for, if it lies below the root, links followed."""
        if not isinstance(template, str):
            raise TemplateError("the name of a file is a text", hint='as in {% import "parts/lora.j2" as lora %}')
        names = current().kept.setdefault("names", {})
        if template not in names:
            names[template] = confined(self.root, self._real_root, template)
        name: str = names[template]
        return name

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        allowed = _METHODS.get(type(obj))
        if allowed is None:
            allowed = next((names for kind, names in _METHODS.items() if isinstance(obj, kind)), None)
        return super().is_safe_attribute(obj, attr, value) if allowed is None else attr in allowed

    def getattr(self, obj: Any, attribute: str) -> Any:
        obj = _text_of_fragment(obj)
        if type(obj) is dict and attribute not in _METHODS[dict]:  # its other methods hide no keys
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        format_it = super().wrap_str_format(value)
        if format_it is None:
            return None

        @wraps(format_it)
        def bounded(*args: Any, **kwargs: Any) -> str:
            if value.__name__ != "format":
                raise TemplateError("format_map is not supported", hint="use format")
            return brace_format(value.__self__, format_it, args, kwargs)

        return bounded

    def call_filter(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if " " in name:
            raise TemplateError(f'no filter is called "{name}"')
        return super().call_filter(name, *args, **kwargs)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call *obj* for a template."""
        budget = current()
        budget.tick()
        if args or kwargs:
            budget.weigh((*args, *kwargs.values()))
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            check_call(budget, owner, obj.__name__, args, kwargs)
        budget.enter()
        try:
            return budget.keep(super().call(context, obj, *args, **kwargs))
        finally:
            budget.leave()

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        """Do ``left operator right`` for a template."""
        budget = current()
        budget.tick()
        if type(left) is int and type(right) is int and operator != "**":
            return budget.keep(self.binop_table[operator](left, right))
        left, right = _text_of_fragment(left), _text_of_fragment(right)
        check = _OPERATIONS.get(operator)
        if check is not None:
            check(left, right)
        if operator == "%" and isinstance(left, str):
            return budget.keep(percent_format(left, right))
        return budget.keep(self.binop_table[operator](left, right))


@lru_cache(maxsize=16)
def environment_of(root: Path) -> JSONEnvironment:
    """Return the environment for templates below *root*, with what it has compiled so far."""
    return JSONEnvironment(root)


def _dict(mapping: Mapping[str, Any] | None = None, /, **members: Any) -> dict[str, Any]:
    # Not from pairs: numbers can be chosen so that Python takes minutes to tell them apart as keys.
    if not isinstance(mapping, Mapping | None):
        raise TemplateError("dict takes names and values, as in dict(a=1)")
    return {**(mapping or {}), **members}


def _range(*args: int) -> range:
    made = range(*args)
    try:
        length = len(made)
    except OverflowError:
        length = MAX_RANGE + 1
    if length > MAX_RANGE:
        raise TemplateTooExpensive(f"a range has more than {MAX_RANGE} numbers")
    return made


def _text_of_fragment(value: Any) -> Any:
    return str(value) if isinstance(value, Fragment) else value


def _check_add(left: Any, right: Any) -> None:
    if isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
        current().fits(len(left) + len(right))


def _check_multiply(left: Any, right: Any) -> None:
    for times, repeated in ((left, right), (right, left)):
        if isinstance(times, int) and isinstance(repeated, str | list | tuple):
            size = len(repeated) if isinstance(repeated, str) else current().weigh(repeated)
            current().fits(size * max(times, 0))


def _check_power(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int) and abs(left).bit_length() * right > MAX_DIGITS_BITS:
        raise TemplateTooExpensive(f"a number would have more than {MAX_DIGITS_BITS} bits")


_OPERATIONS: Mapping[str, Callable[[Any, Any], None]] = {"+": _check_add, "*": _check_multiply, "**": _check_power}
