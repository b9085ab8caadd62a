"""A manifest's inputs as the typed parameters of a function, so that Prefect's form shows and checks them."""

import inspect
import keyword
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch
from types import GenericAlias
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from comfypipe.manifest.schema import (
    MEDIA_TYPES,
    ChoiceInput,
    InputSpec,
    IntegerInput,
    ListInput,
    NumberInput,
    SeedInput,
    StringInput,
    TextInput,
)

SEED_MAXIMUM = 2**64 - 1
_PLAIN: Mapping[str, Any] = {"boolean": bool, "json": Any}
_PREFECT_NAMES = frozenset({"cls", "return_state", "self", "wait_for"})
_PYDANTIC_PREFIXES = ("model_dump", "model_validate")


@dataclass(frozen=True, slots=True)
class Parameters:
    """
    The parameters of a flow, made from a manifest's inputs in the order of the manifest.

    Attributes:
        signature: Keyword-only parameters with annotations and defaults.
        names: The input behind each parameter; they differ only where a name means something to Python or Prefect.
        descriptions: What each parameter is for, in one line, where the manifest or the type says.
    """

    signature: inspect.Signature
    names: Mapping[str, str]
    descriptions: Mapping[str, str]

    @property
    def annotations(self) -> dict[str, Any]:
        """The annotation of every parameter, as ``__annotations__`` of a function has them."""
        return {name: parameter.annotation for name, parameter in self.signature.parameters.items()}

    def docstring(self, summary: str) -> str:
        """Return a docstring: its ``Args`` section is the one place where Prefect looks for descriptions."""
        lines = [f"    {name}: {text}" for name, text in self.descriptions.items()]
        return "\n".join([summary, "", "Args:", *lines]) if lines else summary

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return what a call gives by input name: without what was left empty, or as the manifest has it.

        The manifest's paths are relative to the project, those of a call to the working directory.
        """
        defaults = {name: each.default for name, each in self.signature.parameters.items()}
        return {
            self.names[name]: value
            for name, value in values.items()
            if value is not None and value != defaults.get(name)
        }


def parameters(inputs: Mapping[str, InputSpec], preset: Mapping[str, Any] | None = None) -> Parameters:
    """
    Return the parameters of a flow that takes *inputs*.

    An input without a default is required, unless its manifest says otherwise or it is a seed, which is drawn when
    it is left empty. Files are paths or URLs.

    Args:
        inputs: By name, as the manifest declares them.
        preset: Values that stand in for the manifest's defaults.
    """
    defaults = preset or {}
    names = dict(_names(inputs))
    made = [_parameter(name, inputs[of], defaults.get(of, inputs[of].default)) for name, of in names.items()]
    described = ((name, describe(inputs[of])) for name, of in names.items())
    return Parameters(inspect.Signature(made), names, {name: text for name, text in described if text})


def _parameter(name: str, spec: InputSpec, default: Any) -> inspect.Parameter:
    kind = annotation(spec)
    if default is not None:
        default = list(default) if isinstance(default, tuple) else default
    elif isinstance(spec, SeedInput) or not spec.required:
        kind = kind | None
    else:
        default = inspect.Parameter.empty
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _names(inputs: Collection[str]) -> Iterator[tuple[str, str]]:
    for name in inputs:
        usable = name
        while _is_reserved(usable) or (usable != name and usable in inputs):
            usable += "_"
        yield usable, name


def _is_reserved(name: str) -> bool:
    # Prefect makes a pydantic model of the signature: a field must not shadow what a model has itself.
    return (
        keyword.iskeyword(name)
        or name in _PREFECT_NAMES
        or name.startswith(_PYDANTIC_PREFIXES)  # protected namespaces: a warning
        or hasattr(BaseModel, name)
    )


def describe(spec: InputSpec) -> str:
    """Return the description of an input in one line, with what a form cannot tell: that a file is given by name."""
    text = " ".join(spec.description.split())
    items = spec.items if isinstance(spec, ListInput) else spec
    hint = "path or URL" if items.type in MEDIA_TYPES else "drawn when empty" if spec.type == "seed" else ""
    return f"{text} ({hint})" if text and hint else text or hint[:1].upper() + hint[1:]


@singledispatch
def annotation(spec: InputSpec) -> Any:
    """Return the type of an input's values, limits included; files and models are strings."""
    return _PLAIN.get(spec.type, str)


@annotation.register(StringInput)
@annotation.register(TextInput)
def _(spec: StringInput | TextInput) -> Any:
    pattern = re.compile(_anchored(spec.pattern)) if spec.pattern is not None else None  # compiled: Python's dialect
    return Annotated[str, Field(min_length=spec.min_length, max_length=spec.max_length, pattern=pattern)]


@annotation.register
def _(spec: IntegerInput) -> Any:
    return Annotated[int, Field(ge=spec.minimum, le=spec.maximum, multiple_of=spec.multiple_of)]


@annotation.register
def _(spec: NumberInput) -> Any:
    # No multiple_of: Prefect's server would refuse 0.3 as a multiple of 0.1. Resolving the inputs checks it properly.
    return Annotated[float, Field(ge=spec.minimum, le=spec.maximum)]


@annotation.register
def _(spec: ChoiceInput) -> Any:
    return Literal[spec.choices]


@annotation.register
def _(spec: SeedInput) -> Any:
    maximum = SEED_MAXIMUM if spec.maximum is None else spec.maximum
    return Annotated[int, Field(ge=spec.minimum or 0, le=maximum)]


@annotation.register
def _(spec: ListInput) -> Any:
    items = GenericAlias(list, (annotation(spec.items),))
    return Annotated[items, Field(min_length=spec.min_items, max_length=spec.max_items)]


def _anchored(pattern: str) -> str:
    whole = re.fullmatch(r"\^[^|]*(?<!\\)\$", pattern)
    return pattern if whole else f"^(?:{pattern})$"
