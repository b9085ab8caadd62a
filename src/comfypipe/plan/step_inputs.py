"""The inputs of one job: what its step wrote, evaluated, then coerced to what its workflow declares."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from comfypipe.diagnostics import Diagnostic, Source
from comfypipe.errors import InputError
from comfypipe.manifest.coerce import BadValue, OpenFile, coerce
from comfypipe.manifest.inputs import file_opener, resolve_inputs
from comfypipe.manifest.schema import InputSpec, ListInput
from comfypipe.manifest.values import FileValue, Value, describe
from comfypipe.plan.placeholders import NoPlaceholder, placeholder
from comfypipe.plan.references import ExpressionError, evaluate, is_expression
from comfypipe.plan.steps import Step, WrittenInput


class StepInputs(Struct, frozen=True):
    """
    The inputs of a job, or what keeps it from having them.

    Attributes:
        values: By name, every input that the workflow declares; empty where something is wrong.
        guessed: Names of those whose value only stands in for one that is not known yet.
        diagnostics: What is wrong, with its place.
        unknown: Why no value could stand in, where that is so.
    """

    values: Mapping[str, Value] = {}
    guessed: frozenset[str] = frozenset()
    diagnostics: tuple[Diagnostic, ...] = ()
    unknown: str | None = None


def resolve_step(
    step: Step, scope: Mapping[str, Any], *, item: int | None, seed: int | None, root: Path, trial: bool = False
) -> StepInputs:
    """
    Return the inputs of one job of *step*.

    Args:
        scope: What its expressions read: ``inputs``, ``steps`` and, in a fan-out, ``item``.
        item: Index of the item, in a fan-out.
        seed: What seeds that nobody gives are derived from.
        root: The project's root, which paths are relative to.
        trial: What steps give are placeholders: a value that does not fit, though its type does, is replaced.
    """
    return _Resolver(step, scope, root, trial).resolve(lambda name: derived_seed(seed or 0, step.id, name, item))


def derived_seed(seed: int, step_id: str, name: str, item: int | None) -> int:
    """Return the seed, of 53 bits, that a step's open seed input has: another one for each item, the same each time."""
    text = f"{seed}/{step_id}/{name}/{'' if item is None else item}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") >> 3


class _Resolver:
    def __init__(self, step: Step, scope: Mapping[str, Any], root: Path, trial: bool) -> None:
        self._step = step
        self._scope = scope
        self._open = file_opener(root)
        self._root = root
        self._trial = trial
        self._found: list[Diagnostic] = []
        self._guessed: set[str] = set()
        self._unknown: str | None = None

    def resolve(self, seed_for: Callable[[str], int]) -> StepInputs:
        spec = self._step.workflow.spec
        given = {name: self._value(name, each) for name, each in self._step.written.items() if name in spec.inputs}
        if self._found or self._unknown:
            return StepInputs(diagnostics=tuple(self._found), unknown=self._unknown)
        values: dict[str, Value] = {}
        for name, each in spec.inputs.items():
            try:
                values[name] = value if (value := given.get(name)) is not None else self._left_out(name, each, seed_for)
            except InputError as error:
                self._note(error, name)
        return StepInputs(values, frozenset(self._guessed), tuple(self._found))

    def _left_out(self, name: str, spec: InputSpec, seed_for: Callable[[str], int]) -> Value:
        return resolve_inputs({name: spec}, {}, base=self._root, draw_seed=lambda: seed_for(name), text=False)[name]

    def _value(self, name: str, written: WrittenInput) -> Value:
        spec = self._step.workflow.spec.inputs[name]
        raw, made_here = written.raw, written.made
        try:
            value = evaluate(raw, self._scope)
            if value is None:
                return self._guess(name) if self._trial and made_here else None
            opened = _refuse_text(self._open) if made_here else self._open
            return coerce(spec, value, opened, text=written.text)
        except ExpressionError as error:
            if self._trial and made_here and not error.certain:
                return self._guess(name)
            self._found.append(self._error("bad-expression", f"{self._who()}: {error.problem}", error.hint, name))
        except BadValue as error:
            if self._trial and made_here and not error.certain:
                return self._guess(name)
            place = "".join(f"[{index}]" for index in error.place)
            hint = error.hint or _fan_out_hint(spec, raw, self._scope)
            self._found.append(
                self._error("bad-input", f"{self._who()}: input {name}{place} {error.problem}", hint, name)
            )
        return None

    def _guess(self, name: str) -> Value:
        try:
            self._guessed.add(name)
            return placeholder(self._step.workflow.spec.inputs[name], name, self._open)
        except (NoPlaceholder, BadValue) as error:
            self._unknown = str(error)
            return None

    def _note(self, error: InputError, name: str) -> None:
        self._found.append(self._error(error.code, f"{self._who()}: {error.message}", error.hint, name))

    def _error(self, code: str, message: str, hint: str | None, name: str) -> Diagnostic:
        source: Source = self._step.source("inputs", name)
        return Diagnostic(code, message, source, hint)

    def _who(self) -> str:
        return f'step "{self._step.id}"' if self._step.pipeline else self._step.workflow.name


def _refuse_text(opened: OpenFile) -> OpenFile:
    """What a step made is a file or it is none: text from a node never names a file on this machine."""

    def open_file(value: object, media: str) -> FileValue:
        if isinstance(value, FileValue):
            return value if value.placeholder else opened(value, media)
        raise BadValue(f"takes {describe(FileValue('', media))}, not {describe(value)}", certain=True)

    return open_file


def _fan_out_hint(spec: object, raw: Any, scope: Mapping[str, Any]) -> str | None:
    if isinstance(spec, ListInput) or not is_expression(raw):
        return None
    value = evaluate(raw, scope)
    if not isinstance(value, list):
        return None
    return f'to run the step once for each: for_each: "{raw.strip()}", and here "{{{{ item }}}}"'
