"""Node classes of one's own: made of a Python function, found through entry points or by file."""

import functools
import importlib
import importlib.util
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard

from comfypipe._types import JSON
from comfypipe.engine.audio.sound import Audio as _Sound
from comfypipe.engine.pixels.values import Floats
from comfypipe.engine.registry import InputSpec, NodeClass, OutputSpec, Registry, Result
from comfypipe.engine.vector import Svg as _Svg
from comfypipe.engine.video.value import Video as _Video
from comfypipe.errors import UsageError

GROUP = "comfypipe.nodes"
"""Of the entry points that name modules with node classes."""

Image: TypeAlias = Annotated[Floats, "IMAGE"]
"""(batch, height, width, channel), float32, 0..1."""
Mask: TypeAlias = Annotated[Floats, "MASK"]
"""(batch, height, width), float32, 0..1."""
Latent: TypeAlias = Annotated[dict[str, Any], "LATENT"]
"""``{"samples": (batch, channel, height, width)}``, float32."""
Audio: TypeAlias = Annotated[_Sound, "AUDIO"]
"""``{"waveform": (batch, channel, sample), "sample_rate": Hz}``, float32."""
Video: TypeAlias = Annotated[_Video, "VIDEO"]
"""See `comfypipe.engine.video.value.Video`."""
Svg: TypeAlias = Annotated[_Svg, "SVG"]
"""See `comfypipe.engine.vector.Svg`: made as ``Svg((text, …))``."""

_PLAIN: Mapping[Any, str] = {bool: "BOOLEAN", int: "INT", float: "FLOAT", str: "STRING", Any: "*", object: "*"}


def node(
    class_type: str,
    *,
    names: Sequence[str] = (),
    output_node: bool = False,
    input_is_list: bool = False,
    category: str = "custom",
    display_name: str | None = None,
    validate: Callable[..., str | None] | None = None,
    fingerprint: Callable[..., JSON] | None = None,
    lazy: Callable[..., Sequence[str]] | None = None,
) -> Callable[[Callable[..., Any]], NodeClass]:
    """
    Make a node class of a function.

    Its parameters are the inputs, typed by their annotations; those with a default may be left out. What it is
    annotated to return are the outputs: a value, a ``tuple[…]`` of several, ``None``. A parameter ``context`` is given
    the execution (`comfypipe.engine.registry.LiveContext`).

    Args:
        class_type: As prompts name it.
        names: Of the outputs, where not their types.
        output_node: It ends a graph: it saves or shows something, and may return a `Result` with ``ui``.
        input_is_list: Every input comes as a whole list.
        validate: See `NodeClass`.
        fingerprint: See `NodeClass`.
        lazy: See `NodeClass`.

    Raises:
        TypeError: An annotation stands for no type of ComfyUI's.
    """

    def decorate(function: Callable[..., Any]) -> NodeClass:
        hints = typing.get_type_hints(function, include_extras=True)
        several, outputs = _outputs(hints.get("return"), names, class_type)

        @functools.wraps(function)
        def call(*arguments: Any, **inputs: Any) -> tuple[Any, ...] | Result:
            value = function(*arguments, **inputs)
            if isinstance(value, Result):
                return value
            return tuple(value) if several else () if not outputs else (value,)

        return NodeClass(
            class_type,
            call,
            dict(_inputs(function, hints, class_type)),
            outputs,
            output_node=output_node,
            input_is_list=input_is_list,
            category=category,
            display_name=display_name,
            description=(inspect.getdoc(function) or "").partition("\n")[0],
            module=function.__module__,
            validate=validate,
            fingerprint=fingerprint,
            lazy=lazy,
        )

    return decorate


def _inputs(function: Callable[..., Any], hints: Mapping[str, Any], class_type: str) -> Iterator[tuple[str, InputSpec]]:
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "context":
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(f"{class_type}: {parameter} cannot be an input: inputs have names")
        spec = _input(hints.get(name, Any), f"{class_type}: {name}")
        if parameter.default is not parameter.empty:
            given = {} if parameter.default is None else {"default": parameter.default}
            spec = replace(spec, options={**given, **spec.options}, optional=True)
        yield name, spec


def _input(annotation: Any, place: str) -> InputSpec:
    if typing.get_origin(annotation) is Annotated:
        base, *extras = typing.get_args(annotation)
        whole = next((each for each in extras if isinstance(each, InputSpec)), None)
        if whole is not None:
            return whole
        named = next((each for each in extras if isinstance(each, str)), None)
        spec = InputSpec(named) if named is not None else _input(base, place)
        options = {key: value for each in extras if isinstance(each, Mapping) for key, value in each.items()}
        return replace(spec, options={**spec.options, **options})
    if typing.get_origin(annotation) is Literal:
        return InputSpec(tuple(typing.get_args(annotation)))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [each for each in typing.get_args(annotation) if each is not type(None)]
        if len(kinds) == 1:
            return replace(_input(kinds[0], place), optional=True)
        return InputSpec(",".join(_type_name(each, place) for each in kinds))
    return InputSpec(_type_name(annotation, place))


def _type_name(annotation: Any, place: str) -> str:
    if typing.get_origin(annotation) is Annotated:
        spec = _input(annotation, place)
        if isinstance(spec.type, str):
            return spec.type
    try:
        return _PLAIN[annotation]
    except (KeyError, TypeError):
        raise TypeError(
            f"{place}: {annotation!r} stands for no type of ComfyUI's",
        ) from None


def _outputs(annotation: Any, names: Sequence[str], class_type: str) -> tuple[bool, tuple[OutputSpec, ...]]:
    """Return whether several values are returned as a tuple, and what they are."""
    if annotation is None or annotation is type(None) or annotation is Result:
        return False, ()
    several = typing.get_origin(annotation) is tuple
    kinds = typing.get_args(annotation) if several else (annotation,)
    specs = []
    for index, kind in enumerate(kinds):
        is_list = typing.get_origin(kind) is list
        inner = typing.get_args(kind)[0] if is_list else kind
        name = names[index] if index < len(names) else ""
        specs.append(OutputSpec(_type_name(inner, f"{class_type}: output {index}"), name, is_list))
    return several, tuple(specs)


def with_custom(core: Mapping[str, NodeClass], nodes: Iterable[NodeClass]) -> Registry:
    """
    Return a registry of *core* and *nodes*.

    Raises:
        UsageError: A class is there already.
    """
    classes = dict(core)
    for each in nodes:
        if each.class_type in classes:
            raise UsageError(
                f"two node classes are called {each.class_type}", hint="rename yours, or take one of the packages out"
            )
        classes[each.class_type] = each
    return Registry(list(classes.values()))


def installed_nodes() -> tuple[NodeClass, ...]:
    """
    Return the node classes of installed packages: of what their entry points in ``comfypipe.nodes`` name.

    Raises:
        UsageError: One of them cannot be loaded, or has no node class.
    """
    found: list[NodeClass] = []
    for entry in entry_points(group=GROUP):
        try:
            target = entry.load()
        except Exception as error:  # a package may fail in any way
            raise UsageError(f"the nodes of {entry.value} cannot be loaded: {error!r}") from error
        found += nodes_in(target, entry.value)
    return tuple(found)


def loaded_nodes(references: Iterable[str], root: Path) -> tuple[NodeClass, ...]:
    """
    Return the node classes of modules, which are named by dotted name or by file.

    Args:
        references: ``my_package.nodes``, or ``nodes/mine.py`` below *root*.

    Raises:
        UsageError: One of them cannot be loaded, or has no node class.
    """
    found: list[NodeClass] = []
    for each in references:
        try:
            module = _from_file(root / each) if each.endswith(".py") else importlib.import_module(each)
        except Exception as error:  # a module may fail in any way
            raise UsageError(f"the nodes of {each} cannot be loaded: {error!r}") from error
        found += nodes_in(module, each)
    return tuple(found)


def _from_file(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"comfypipe_nodes_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def nodes_in(target: object, shown: str) -> tuple[NodeClass, ...]:
    """
    Return the node classes in a module, in a sequence, or the one itself.

    Raises:
        UsageError: There is none.
    """
    if isinstance(target, NodeClass):
        return (target,)
    held = vars(target).values() if isinstance(target, types.ModuleType) else target
    found = {each.class_type: each for each in held if isinstance(each, NodeClass)} if _iterable(held) else {}
    if not found:
        raise UsageError(f"{shown} has no node class", hint="make one with @comfypipe.engine.node(...)")
    return tuple(found.values())


def _iterable(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable)
