"""What the types of the schema cannot say: rules within one manifest."""

import keyword
import re
from collections import Counter
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

from comfypipe.diagnostics import Diagnostic, Source, did_you_mean
from comfypipe.manifest.coerce import BadValue, coerce
from comfypipe.manifest.destinations import destination_problem, is_url, path_problem, url_problem
from comfypipe.manifest.reader import Path, dotted
from comfypipe.manifest.schema import (
    ChoiceInput,
    InputSpec,
    IntegerInput,
    ListInput,
    NumberInput,
    PipelineSpec,
    SeedInput,
    StringInput,
    TextInput,
    WorkflowSpec,
)
from comfypipe.manifest.values import FileValue, describe

TEMPLATE_SUFFIX = ".json.j2"
EXPORT_SUFFIX = ".json"

_JINJA_WORDS = frozenset(
    {"true", "false", "none", "loop", "self", "super", "caller", "varargs", "kwargs", "range", "dict"}
    | {"lipsum", "cycler", "joiner", "namespace"}
)
_ACCELERATORS = ("T4", "L4", "A10", "L40S", "A100_40GB", "A100_80GB", "H100", "H200")

SourceOf: TypeAlias = Callable[..., Source]


class Rules:
    """
    Checks one manifest's spec and yields what is wrong with it.

    Args:
        source: Gives the place of the value at a path of keys.
        key_source: Gives the place of the key at a path of keys.
        dropped: Paths that the reader has refused already: nothing is said of them again.
    """

    def __init__(self, source: SourceOf, key_source: SourceOf, dropped: AbstractSet[Path]) -> None:
        self._source = source
        self._key_source = key_source
        self._dropped = dropped

    def check(self, spec: WorkflowSpec | PipelineSpec) -> Iterator[Diagnostic]:
        """Yield the findings about *spec*."""
        yield from self._names(("inputs",), spec.inputs)
        for name, each in spec.inputs.items():
            yield from self._input(("inputs", name), each)
        yield from self._presets(spec)
        yield from self._names(("outputs",), spec.outputs)
        if isinstance(spec, WorkflowSpec):
            yield from self._workflow(spec)
        else:
            yield from self._steps(spec)

    def _error(self, code: str, message: str, path: Path, hint: str | None = None) -> Diagnostic:
        return Diagnostic(code, message, self._source(*path), hint)

    def _names(self, path: Path, names: Any) -> Iterator[Diagnostic]:
        for name in names:
            if is_reserved(name):
                message = f'{dotted((*path, name))}: "{name}" cannot be a name'
                hint = f"it is a reserved word; {name}_ would do"
                yield Diagnostic("bad-name", message, self._key_source(*path, name), hint)

    # Inputs

    def _input(self, path: Path, spec: InputSpec) -> Iterator[Diagnostic]:
        found = [*self._ranges(path, spec), *self._shape(path, spec)]
        yield from found
        if not found and spec.default is not None:
            yield from self._value("bad-default", (*path, "default"), spec, spec.default)

    def _ranges(self, path: Path, spec: InputSpec) -> Iterator[Diagnostic]:
        pairs = {
            StringInput: ("min_length", "max_length"),
            TextInput: ("min_length", "max_length"),
            ListInput: ("min_items", "max_items"),
            IntegerInput: ("minimum", "maximum"),
            NumberInput: ("minimum", "maximum"),
            SeedInput: ("minimum", "maximum"),
        }
        if (names := pairs.get(type(spec))) is None:
            return
        lowest, highest = getattr(spec, names[0]), getattr(spec, names[1])
        if lowest is not None and highest is not None and lowest > highest:
            message = f"{dotted(path)}: {names[0]} {lowest} is larger than {names[1]} {highest}"
            yield self._error("bad-range", message, (*path, names[0]))

    def _shape(self, path: Path, spec: InputSpec) -> Iterator[Diagnostic]:
        match spec:
            case StringInput(pattern=str(pattern)) | TextInput(pattern=str(pattern)):
                yield from self._pattern(path, pattern)
            case ChoiceInput():
                yield from self._choices(path, spec)
            case ListInput():
                yield from self._items(path, spec)

    def _pattern(self, path: Path, pattern: str) -> Iterator[Diagnostic]:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield self._error(
                "bad-pattern", f"{dotted(path)}: the pattern does not compile: {error}", (*path, "pattern")
            )

    def _choices(self, path: Path, spec: ChoiceInput) -> Iterator[Diagnostic]:
        twice = [name for name, count in Counter(str(each) for each in spec.choices).items() if count > 1]
        for name in twice:
            yield self._error("bad-choices", f'{dotted(path)}: the choice "{name}" stands twice', (*path, "choices"))

    def _items(self, path: Path, spec: ListInput) -> Iterator[Diagnostic]:
        below = (*path, "items")
        if spec.items.default is not None or spec.items.bind or not spec.items.required:
            message = f"{dotted(below)} takes a type and its limits; default, required and bind belong to the list"
            yield self._error("bad-items", message, below)
        yield from self._ranges(below, spec.items)
        yield from self._shape(below, spec.items)

    def _presets(self, spec: WorkflowSpec | PipelineSpec) -> Iterator[Diagnostic]:
        for preset, values in spec.presets.items():
            for name, value in values.items():
                path = ("presets", preset, name)
                if name in spec.inputs:
                    yield from self._value("bad-preset", path, spec.inputs[name], value)
                elif ("inputs", name) not in self._dropped:
                    known = f"inputs are {', '.join(spec.inputs)}" if spec.inputs else "there are no inputs"
                    hint = did_you_mean(name, spec.inputs) or known
                    message = f'{dotted(path)}: there is no input "{name}"'
                    yield Diagnostic("unknown-input", message, self._key_source(*path), hint)

    def _value(self, code: str, path: Path, spec: InputSpec, value: object) -> Iterator[Diagnostic]:
        if value is None:
            return
        try:
            coerce(spec, value, _name_file, text=False)
        except BadValue as error:
            place = (*path, *error.place)
            yield self._error(code, f"{dotted(place)} {error.problem}", place, error.hint)

    # Workflows

    def _workflow(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        yield from self._template(spec)
        yield from self._models(spec)
        yield from self._files(spec)
        yield from self._accelerators(("accelerator",), spec.accelerator)

    def _template(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        if ("workflow",) in self._dropped:
            return
        if problem := path_problem(spec.workflow):
            hint = "it is relative to the project's root, such as workflows/portrait.json.j2"
            yield self._error("bad-path", f'workflow cannot be "{spec.workflow}": {problem}', ("workflow",), hint)
        elif not spec.workflow.endswith((TEMPLATE_SUFFIX, EXPORT_SUFFIX)):
            message = f'workflow takes a .json.j2 template or a .json export, not "{spec.workflow}"'
            yield self._error("bad-path", message, ("workflow",))
        yield from self._binds(spec)

    def _binds(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        is_export = spec.workflow.endswith(EXPORT_SUFFIX)
        for name, each in spec.inputs.items():
            path = ("inputs", name, "bind")
            if each.targets and not is_export:
                hint = f"a template writes {{{{ {name} }}}} where the value goes"
                yield self._error("bad-bind", f"{dotted(path)}: only exports (.json) are bound", path, hint)
            for target in each.targets if is_export else ():
                node, dot, below = target.rpartition(".")
                if not (node and dot and below):
                    hint = 'write "6.inputs.text", or by title "Positive prompt.text"'
                    yield self._error("bad-bind", f'{dotted(path)}: "{target}" names no node and input', path, hint)

    def _models(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        seen: set[str] = set()
        for index, each in self._kept(("models",), spec.models):
            path = ("models", index)
            problem = destination_problem(each.path)
            if problem is None and not each.path.startswith("models/"):
                problem = "it is not below models/"
            if problem:
                hint = "write models/FOLDER/FILE, such as models/loras/ink.safetensors"
                message = f'models[{index}].path cannot be "{each.path}": {problem}'
                yield self._error("bad-destination", message, (*path, "path"), hint)
            if each.path in seen:
                yield self._error("duplicate-name", f"the model {each.path} is declared twice", (*path, "path"))
            seen.add(each.path)
            if each.url is not None and (problem := url_problem(each.url)):
                yield self._error("bad-url", f"models[{index}].url cannot be used: {problem}", (*path, "url"))
            if each.sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", each.sha256):
                message = f"models[{index}].sha256 takes 64 hexadecimal digits, not {len(each.sha256)} characters"
                yield self._error("bad-digest", message, (*path, "sha256"))

    def _kept(self, path: Path, items: tuple[Any, ...]) -> Iterator[tuple[int, Any]]:
        """Pair the items that the reader kept with their indices in the file."""
        index = 0
        for item in items:
            while (*path, index) in self._dropped:
                index += 1
            yield index, item
            index += 1

    def _files(self, spec: WorkflowSpec) -> Iterator[Diagnostic]:
        for name, source in spec.files.items():
            path = ("files", name)
            problem = destination_problem(name)
            if problem is None and name.startswith("input/comfypipe/"):
                problem = "input/comfypipe is where files given for inputs are placed"
            if problem:
                hint = "write input/FILE or models/FOLDER/FILE"
                message = f'files cannot fill "{name}": {problem}'
                yield Diagnostic("bad-destination", message, self._key_source(*path), hint)
            if is_url(source):
                if problem := url_problem(source):
                    yield self._error("bad-url", f"{dotted(path)} cannot be used: {problem}", path)
            elif problem := path_problem(source):
                hint = "it is relative to the project's root, or an http(s) URL"
                yield self._error("bad-path", f'{dotted(path)} cannot be "{source}": {problem}', path, hint)

    def _accelerators(self, path: Path, names: tuple[str, ...]) -> Iterator[Diagnostic]:
        for index, name in self._kept(path, names):
            place = (*path, index)
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", name):
                hint = "letters, digits, _ . and -, such as A100_40GB"
                yield self._error("bad-name", f'{dotted(place)}: "{name}" cannot be an accelerator', place, hint)
            for known in _ACCELERATORS:
                if _plain(name) == _plain(known) and name != known:
                    message = f'{dotted(place)}: the accelerator "{name}" is called {known} elsewhere'
                    hint = f"write {known}, unless the server's settings say {name}"
                    yield Diagnostic("accelerator-name", message, self._source(*place), hint, "warning")

    # Pipelines

    def _steps(self, spec: PipelineSpec) -> Iterator[Diagnostic]:
        first: dict[str, int] = {}
        for index, step in self._kept(("steps",), spec.steps):
            path = ("steps", index)
            if step.id in first:
                hint = f"the first stands in line {self._source('steps', first[step.id], 'id').line}"
                yield self._error("duplicate-name", f'two steps have the id "{step.id}"', (*path, "id"), hint)
            elif is_reserved(step.id):
                hint = f"it is a reserved word; {step.id}_ would do"
                yield self._error(
                    "bad-name", f'{dotted((*path, "id"))}: "{step.id}" cannot be a name', (*path, "id"), hint
                )
            first.setdefault(step.id, index)
            if step.accelerator:
                yield from self._accelerators((*path, "accelerator"), step.accelerator)


def is_reserved(name: str) -> bool:
    """Return whether *name* means something to Python or to templates, so that nothing can be called that."""
    return keyword.iskeyword(name) or name in _JINJA_WORDS


def _plain(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def _name_file(value: object, media: str) -> FileValue:
    """Stand in for opening a file: whether it is there is looked at when the project is known."""
    if not isinstance(value, str):
        raise BadValue(f"takes a path or URL of {describe(FileValue('', media))}, not {describe(value)}", certain=True)
    return FileValue(value, media)
