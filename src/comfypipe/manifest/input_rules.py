"""Rules for the declarations of inputs, and for the values that presets and defaults give them."""

import re
from collections import Counter
from collections.abc import Iterator

from comfypipe.diagnostics import Diagnostic, did_you_mean
from comfypipe.manifest.coerce import BadValue, coerce
from comfypipe.manifest.places import Path, Places, dotted
from comfypipe.manifest.schema import (
    ChoiceInput,
    InputSpec,
    IntegerInput,
    ListInput,
    ManifestSpec,
    NumberInput,
    SeedInput,
    StringInput,
    TextInput,
)
from comfypipe.manifest.values import FileValue, describe

_RANGES: dict[type[InputSpec], tuple[str, str]] = {
    StringInput: ("min_length", "max_length"),
    TextInput: ("min_length", "max_length"),
    ListInput: ("min_items", "max_items"),
    IntegerInput: ("minimum", "maximum"),
    NumberInput: ("minimum", "maximum"),
    SeedInput: ("minimum", "maximum"),
}


class InputRules:
    """Checks the inputs of one manifest and yields what is wrong with them."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def check(self, spec: ManifestSpec) -> Iterator[Diagnostic]:
        """Yield the findings about inputs and presets."""
        for name, each in spec.inputs.items():
            yield from self._input(("inputs", name), each)
        yield from self._presets(spec)

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
            yield self._places.error("bad-range", message, (*path, names[0]))

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
            yield self._places.error(
                "bad-pattern", f"{dotted(path)}: the pattern does not compile: {error}", (*path, "pattern")
            )

    def _choices(self, path: Path, spec: ChoiceInput) -> Iterator[Diagnostic]:
        twice = [name for name, count in Counter(str(each) for each in spec.choices).items() if count > 1]
        for name in twice:
            yield self._places.error(
                "bad-choices", f'{dotted(path)}: the choice "{name}" stands twice', (*path, "choices")
            )

    def _items(self, path: Path, spec: ListInput) -> Iterator[Diagnostic]:
        below = (*path, "items")
        if spec.items.default is not None or spec.items.bind or not spec.items.required:
            message = f"{dotted(below)} takes a type and its limits; default, required and bind belong to the list"
            yield self._places.error("bad-items", message, below)
        yield from self._ranges(below, spec.items)
        yield from self._shape(below, spec.items)

    def _presets(self, spec: ManifestSpec) -> Iterator[Diagnostic]:
        for preset, values in spec.presets.items():
            for name, value in values.items():
                path = ("presets", preset, name)
                if name in spec.inputs:
                    yield from self._value("bad-preset", path, spec.inputs[name], value)
                elif ("inputs", name) not in self._places.dropped:
                    known = f"inputs are {', '.join(spec.inputs)}" if spec.inputs else "there are no inputs"
                    hint = did_you_mean(name, spec.inputs) or known
                    message = f'{dotted(path)}: there is no input "{name}"'
                    yield Diagnostic("unknown-input", message, self._places.key_source(*path), hint)

    def _value(self, code: str, path: Path, spec: InputSpec, value: object) -> Iterator[Diagnostic]:
        if value is None:
            return
        try:
            coerce(spec, value, _name_file, text=False)
        except BadValue as error:
            place = (*path, *error.place)
            yield self._places.error(code, f"{dotted(place)} {error.problem}", place, error.hint)


def _name_file(value: object, media: str) -> FileValue:
    """Stand in for opening a file: whether it is there is looked at when the project is known."""
    if not isinstance(value, str):
        raise BadValue(f"takes a path or URL of {describe(FileValue('', media))}, not {describe(value)}", certain=True)
    return FileValue(value, media)
