"""What the expressions of a pipeline read: whether it is there, and in which order its steps can run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from comfypipe.diagnostics import Diagnostic, Source, did_you_mean
from comfypipe.plan.expressions import Expression, ExpressionError, Names, is_expression, parse_expression

__all__ = [
    "Expression",
    "ExpressionError",
    "Names",
    "Scope",
    "cycle",
    "evaluate",
    "expressions",
    "is_expression",
    "order",
    "parse_expression",
    "steps_read",
]


class Scope(Struct, frozen=True):
    """
    What an expression may read where it stands.

    Attributes:
        inputs: Names of the pipeline's inputs.
        outputs: By step id, the names of its outputs; None where they cannot be known.
        undeclared: By step id, the manifest of the workflow that declares no outputs.
        item: Whether there is an ``item``.
    """

    inputs: Sequence[str]
    outputs: Mapping[str, Sequence[str] | None]
    undeclared: Mapping[str, str]
    item: bool = False

    def check(self, expression: Expression, reader: str, source: Source) -> Iterator[Diagnostic]:
        """Yield an error for each reference that leads nowhere; *reader* says who reads: ``step "upscale"``."""
        for path in expression.references:
            if (found := self._problem(path)) is not None:
                message, hint = found
                yield Diagnostic("reference-unknown", f"{reader} reads {'.'.join(path)}{message}", source, hint)

    def _problem(self, path: tuple[str, ...]) -> tuple[str, str | None] | None:
        match path:
            case ("inputs", name, *_):
                return None if name in self.inputs else ("", self._closest(path))
            case ("steps", step, "outputs", name, *_) if step in self.outputs:
                return self._output_problem(step, name, path)
            case ("item", *_):
                return (
                    None if self.item else (", which only a step with for_each has", "for_each itself cannot read it")
                )
        return "", self._closest(path)

    def _output_problem(self, step: str, name: str, path: tuple[str, ...]) -> tuple[str, str | None] | None:
        names = self.outputs[step]
        if names is None or name in names:
            return None
        if step in self.undeclared:
            hint = f"declare it under outputs: in {self.undeclared[step]}"
            return ", but its workflow declares no outputs", hint
        return "", self._closest(path)

    def _closest(self, path: tuple[str, ...]) -> str | None:
        known = [f"inputs.{name}" for name in self.inputs]
        known += [f"steps.{step}.outputs.{name}" for step, names in self.outputs.items() for name in names or ()]
        if hint := did_you_mean(".".join(path[:4]), known):
            return hint
        return f"it can read {', '.join(known[:8])}{', …' if len(known) > 8 else ''}" if known else None


def expressions(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the expressions in a value as written, lists and mappings looked into, each with its path."""
    if is_expression(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from expressions(each, (*path, key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from expressions(each, (*path, index))


def steps_read(value: Any) -> frozenset[str]:
    """Return the ids of the steps that the expressions in a value as written read."""
    return frozenset(step for _, text in expressions(value) for step in parse_expression(text).steps)


def evaluate(value: Any, scope: Mapping[str, Any]) -> Any:
    """
    Return a value as written with its expressions evaluated.

    Raises:
        ExpressionError: One of them has no value.
    """
    if is_expression(value):
        return parse_expression(value).evaluate(scope)
    if isinstance(value, Mapping):
        return {key: evaluate(each, scope) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [evaluate(each, scope) for each in value]
    return value


def order(reads: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the steps so that each comes after those that it reads, else as they are written; without cycles."""
    waiting = {step: set(read) & set(reads) for step, read in reads.items()}
    ordered: list[str] = []
    while ready := [step for step, read in waiting.items() if not read]:
        ordered.append(ready[0])
        del waiting[ready[0]]
        for read in waiting.values():
            read.discard(ready[0])
    return tuple(ordered)


def cycle(reads: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return steps that wait for each other, the first of them again at the end; empty when there are none."""
    ordered = frozenset(order(reads))
    stuck = [step for step in reads if step not in ordered]
    if not stuck:
        return ()
    seen: list[str] = []
    step = stuck[0]
    while step not in seen:
        seen.append(step)
        step = next(each for each in reads[step] if each in stuck)
    return (*seen[seen.index(step) :], step)
