"""Inputs to try a workflow with: its defaults, and each thing that could be otherwise, one at a time."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from comfypipe.diagnostics import Diagnostic
from comfypipe.manifest.coerce import BadValue, coerce
from comfypipe.manifest.inputs import file_opener
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import BooleanInput, ChoiceInput, InputSpec
from comfypipe.manifest.values import Value
from comfypipe.plan.placeholders import NoPlaceholder, placeholder
from comfypipe.project import ProjectLayout

MAX_TRIALS = 64


class Trial(Struct, frozen=True):
    """
    Values to render with.

    Attributes:
        guessed: Names of those that are placeholders.
        circumstances: What is special about them, in words; empty for the defaults.
    """

    values: Mapping[str, Value]
    guessed: frozenset[str]
    circumstances: str = ""


class Trials(Struct, frozen=True):
    """
    What to render a manifest with.

    Attributes:
        diagnostics: Defaults and presets that cannot be used, and inputs for which no value is known.
    """

    trials: tuple[Trial, ...]
    diagnostics: tuple[Diagnostic, ...]


def trials(manifest: Manifest, layout: ProjectLayout) -> Trials:
    """Return the values to try *manifest* with; none where its defaults cannot be used."""
    made = _Trials(manifest, layout)
    base = made.base()
    if base is None:
        return Trials((), tuple(made.diagnostics))
    tried = [base, *made.full(base), *made.presets(base), *made.switches(base)]
    return Trials(tuple(tried[:MAX_TRIALS]), tuple(made.diagnostics))


class _Trials:
    def __init__(self, manifest: Manifest, layout: ProjectLayout) -> None:
        self._manifest = manifest
        self._specs = manifest.spec.inputs
        self._open = file_opener(layout.root)
        self.diagnostics: list[Diagnostic] = []

    def base(self) -> Trial | None:
        """All defaults; placeholders for what must be given; nothing for what may be left out."""
        values: dict[str, Value] = {}
        for name, spec in self._specs.items():
            values[name] = None if spec.default is None and not spec.required else self._placeholder(name, spec)
        guessed = frozenset(name for name, spec in self._specs.items() if spec.default is None and spec.required)
        return None if self.diagnostics else Trial(values, guessed)

    def full(self, base: Trial) -> Iterator[Trial]:
        """Everything that may be left out given."""
        optional = {name: spec for name, spec in self._specs.items() if base.values[name] is None}
        more = {name: self._placeholder(name, spec) for name, spec in optional.items()}
        if more:
            yield Trial({**base.values, **more}, base.guessed | set(more), f"{', '.join(more)} given")

    def presets(self, base: Trial) -> Iterator[Trial]:
        """Each preset."""
        for preset, written in self._manifest.spec.presets.items():
            values = {name: self._preset(preset, name, value) for name, value in written.items() if value is not None}
            if not any(value is None for value in values.values()):
                yield Trial({**base.values, **values}, base.guessed - set(values), f"preset {preset}")

    def switches(self, base: Trial) -> Iterator[Trial]:
        """Each boolean the other way round, each other choice."""
        for name, spec in self._specs.items():
            for value in _others(spec, base.values[name]):
                shown = str(value).lower() if isinstance(value, bool) else value
                yield Trial({**base.values, name: value}, base.guessed - {name}, f"{name}: {shown}")

    def _placeholder(self, name: str, spec: InputSpec) -> Value:
        source = self._manifest.source("inputs", name, "default")
        try:
            return placeholder(spec, name, self._open)
        except BadValue as error:
            place = "".join(f"[{index}]" for index in error.place)
            message = f"inputs.{name}.default{place} {error.problem}"
            source = self._manifest.source("inputs", name, "default", *error.place)
            self.diagnostics.append(Diagnostic("missing-file", message, source, error.hint))
        except NoPlaceholder as error:
            message = f"{self._manifest.name} was not rendered: {error}"
            self.diagnostics.append(Diagnostic("not-rendered", message, source, severity="warning"))
        return None

    def _preset(self, preset: str, name: str, value: Any) -> Value:
        try:
            return coerce(self._specs[name], value, self._open, text=False)
        except BadValue as error:
            message = f"presets.{preset}.{name} {error.problem}"
            source = self._manifest.source("presets", preset, name, *error.place)
            self.diagnostics.append(Diagnostic("missing-file", message, source, error.hint))
            return None


def _others(spec: InputSpec, value: Value) -> list[Any]:
    if isinstance(spec, BooleanInput) and isinstance(value, bool):
        return [not value]
    if isinstance(spec, ChoiceInput):
        return [choice for choice in spec.choices if choice != value]
    return []
