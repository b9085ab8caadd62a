"""Every step of a plan rendered and validated, with typed placeholders for what does not exist yet."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from comfypipe.diagnostics import Diagnostic
from comfypipe.errors import ComfypipeError, InputInvalid, PlanError, PromptInvalid, TemplateError
from comfypipe.manifest.schema import ModelSpec
from comfypipe.manifest.values import Value
from comfypipe.plan.assemble import Assembly
from comfypipe.plan.findings import diagnostics_of, missing_files, silent_outputs
from comfypipe.plan.jobs import fan_out, is_wanted, make_job, scope_of
from comfypipe.plan.placeholders import other_value
from comfypipe.plan.references import ExpressionError, evaluate, expressions, parse_expression, steps_read
from comfypipe.plan.rendering import RenderedWorkflow, render_workflow, workflow_spec
from comfypipe.plan.requirements import missing_model, where_to_get, with_sources
from comfypipe.plan.step_inputs import StepInputs, resolve_step
from comfypipe.plan.steps import Job, Step, StepOutputs
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.prompt.validate import NodeError, validate

Unknown: TypeAlias = Literal["error", "skip"]
"""What to do with classes that the object_info does not hold."""


class Circumstances(Struct, frozen=True):
    """
    What a plan is checked against.

    Attributes:
        object_info: What the backend offers; None to check the structure alone.
        seed: What the open seeds of steps are derived from.
        guessed: Names of the plan's inputs whose values are placeholders.
        rendered_items: So many items of a fan-out over a known list are rendered; of the others the values are checked.
        models: Whether models have to be on the server, or a warning does for those that the manifest declares.
    """

    layout: ProjectLayout
    object_info: ObjectInfo | None = None
    unknown: Unknown = "error"
    seed: int | None = None
    guessed: frozenset[str] = frozenset()
    rendered_items: int = 64
    models: Literal["there", "declared"] = "there"


class Preflight(Struct):
    """
    What a plan would submit, as far as that is known before it runs.

    Attributes:
        jobs: By step id, with placeholders for what other steps make.
        diagnostics: What is wrong.
        errors: Those of the diagnostics that came as an error, as that error.
        unchecked: By workflow name, the class types that nothing is known of.
        skipped: By step id, why it could not be rendered.
    """

    jobs: dict[str, list[Job]] = {}
    diagnostics: list[Diagnostic] = []
    errors: list[ComfypipeError] = []
    unchecked: dict[str, set[str]] = {}
    skipped: dict[str, str] = {}


def preflight(assembly: Assembly, inputs: Mapping[str, Value], against: Circumstances) -> Preflight:
    """
    Render every step, in order, and validate what comes out.

    Args:
        inputs: Values of the plan's inputs.
    """
    run = _Preflight(assembly.steps, inputs, against)
    results: dict[str, StepOutputs] = {}
    for step in assembly.steps:
        results[step.id] = run.step(step, results)
    run.outputs(assembly, results)
    return run.result


class _Preflight:
    def __init__(self, steps: tuple[Step, ...], inputs: Mapping[str, Value], against: Circumstances) -> None:
        self._steps = steps
        self._inputs = inputs
        self._against = against
        self.result = Preflight()

    def step(self, step: Step, results: Mapping[str, StepOutputs]) -> StepOutputs:
        """Look at one step; returns placeholders for its outputs."""
        scope = scope_of(self._inputs, self._steps, results)
        made = step.placeholders
        missing = missing_files(step.workflow, self._against.layout)
        self._add(missing)
        if missing or not self._is_wanted(step, scope):
            return made if step.for_each is None else (made,)
        if step.for_each is None:
            self._job(step, scope, None)
            return made
        items = self._items(step, scope)
        for index, item in enumerate(items):
            self._job(step, {**scope, "item": item}, index)
        return tuple(made for _ in items)

    def outputs(self, assembly: Assembly, results: Mapping[str, StepOutputs]) -> None:
        """Look at the outputs of the whole: what cannot be read in the end must not be found out in the end."""
        if assembly.manifest is None:  # those of a plain workflow are its step's, no expressions that somebody wrote
            return
        scope = scope_of(self._inputs, self._steps, results)
        for name, raw in assembly.outputs.items():
            try:
                evaluate(raw, scope)
            except ExpressionError as error:
                if error.certain or not steps_read(raw):
                    source = assembly.manifest.source("outputs", name)
                    self._add([Diagnostic("bad-expression", f'output "{name}": {error.problem}', source, error.hint)])

    def _is_wanted(self, step: Step, scope: Mapping[str, Any]) -> bool:
        try:
            return bool(steps_read(step.when)) or is_wanted(step, scope)
        except PlanError as error:
            self._note("bad-expression", error)
            return True

    def _items(self, step: Step, scope: Mapping[str, Any]) -> list[Any]:
        try:
            return fan_out(step, scope)
        except PlanError as error:
            if steps_read(step.for_each):
                return [None]  # computed from what steps give: there may be some, and nothing is known of them
            self._note("bad-for-each", error)
            return []

    def _job(self, step: Step, scope: Mapping[str, Any], index: int | None) -> None:
        against = self._against
        found = resolve_step(step, scope, item=index, seed=against.seed, root=against.layout.root, trial=True)
        self._add(found.diagnostics)
        if found.unknown is not None:
            self.result.skipped.setdefault(step.id, found.unknown)
        if found.diagnostics or found.unknown is not None or (index or 0) >= against.rendered_items:
            return
        try:
            job, rendered = make_job(step, found.values, index, against.layout)
        except (TemplateError, PromptInvalid, InputInvalid) as error:
            self._fail(error, step)
            return
        self.result.jobs.setdefault(step.id, []).append(job)
        self._validate(step, rendered, found)

    def _is_guessed(self, step: Step, name: str) -> bool:
        for _, text in expressions(step.inputs.get(name)):
            read = parse_expression(text)
            if read.reads("steps") or (read.reads("item") and steps_read(step.for_each)):
                return True
            if any(path[0] == "inputs" and path[-1] in self._against.guessed for path in read.references):
                return True
        return False

    def _validate(self, step: Step, rendered: RenderedWorkflow, given: StepInputs) -> None:
        info = self._against.object_info
        unknown: Unknown = "skip" if info is None else self._against.unknown
        info = ObjectInfo({}) if info is None else info
        found = validate(rendered.graph, info, unknown=unknown)
        self.result.unchecked.setdefault(step.workflow.name, set()).update(found.unchecked)
        if found.errors:
            errors = self._to_blame(step, rendered, found.errors, given)
            error = found.error if len(errors) == len(found.errors) else None
            found = msgspec.structs.replace(found, errors=errors, error=error)
        try:
            found.raise_if_invalid(rendered.source.source)
        except PromptInvalid as error:
            self._fail(error, step)
        self._add(silent_outputs(step.workflow, rendered, info))

    def _to_blame(
        self,
        step: Step,
        rendered: RenderedWorkflow,
        errors: tuple[NodeError, ...],
        given: StepInputs,
    ) -> tuple[NodeError, ...]:
        """Return the errors that are no guess's fault, with a hint for what the manifest declares."""
        guessed = given.guessed | {name for name in given.values if self._is_guessed(step, name)}
        if guessed:
            other = self._with_other_values(step, given.values, guessed)
            errors = tuple(each for each in errors if not _differs(each, rendered, other))
        spec = workflow_spec(step.workflow)
        if self._against.models == "declared":
            absent = {id(each): model for each in errors if (model := missing_model(each, spec)) is not None}
            self._add(_absent(each, absent[id(each)], rendered) for each in errors if id(each) in absent)
            errors = tuple(each for each in errors if id(each) not in absent)
        return tuple(with_sources(each, spec) for each in errors)

    def _with_other_values(
        self, step: Step, values: Mapping[str, Value], guessed: frozenset[str]
    ) -> RenderedWorkflow | None:
        """Render with other guesses: what comes out otherwise is not known yet, and so not wrong yet."""
        others = {name: other_value(value) if name in guessed else value for name, value in values.items()}
        try:
            return render_workflow(step.workflow, others, self._against.layout)
        except (TemplateError, PromptInvalid):
            return None

    def _fail(self, error: ComfypipeError, step: Step) -> None:
        found = [each for each in diagnostics_of(error, step.workflow) if each not in self.result.diagnostics]
        if found:
            self._add(found)
            self.result.errors.append(error)

    def _note(self, code: str, error: ComfypipeError) -> None:
        self._add([Diagnostic(code, error.message, error.source, error.hint)])

    def _add(self, found: Iterable[Diagnostic]) -> None:
        for each in found:
            if each not in self.result.diagnostics and not self._is_of_another_item(each):
                self.result.diagnostics.append(each)

    def _is_of_another_item(self, found: Diagnostic) -> bool:
        """Whether an earlier item of the fan-out had the same trouble with another value."""
        same = (each for each in self.result.diagnostics if each.source == found.source)
        return found.code == "bad-input" and any(each.code == found.code for each in same)


def _absent(error: NodeError, model: ModelSpec, rendered: RenderedWorkflow) -> Diagnostic:
    """Return a warning: the manifest says what is needed, which is all that it can do."""
    source = rendered.source.source(error.node_id, error.input_name)
    message = f"node {error.node_id} ({error.class_type}): {model.path} is not there"
    return Diagnostic("missing-model", message, source, where_to_get(model), "warning")


def _differs(error: NodeError, rendered: RenderedWorkflow, other: RenderedWorkflow | None) -> bool:
    """Whether what *error* is about comes out otherwise with other guesses."""
    if other is None:
        return True
    node = rendered.prompt.get(error.node_id)
    counterpart = other.prompt.get(error.node_id)
    if error.input_name is None or not isinstance(node, dict) or not isinstance(counterpart, dict):
        return bool(node != counterpart)
    missing = object()
    return bool(
        node.get("inputs", {}).get(error.input_name, missing)
        != counterpart.get("inputs", {}).get(error.input_name, missing)
    )
