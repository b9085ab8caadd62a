"""Steps become jobs, once what they read is there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from comfypipe.diagnostics import Diagnostic
from comfypipe.errors import InputInvalid, PlanError
from comfypipe.manifest.values import FileValue, Value, describe
from comfypipe.plan.digests import job_digest
from comfypipe.plan.references import ExpressionError, Names, evaluate, steps_read
from comfypipe.plan.rendering import (
    RenderedWorkflow,
    files_of,
    outputs_of,
    render_workflow,
    static_files,
    workflow_spec,
)
from comfypipe.plan.step_inputs import resolve_step
from comfypipe.plan.steps import Job, Plan, Step, StepOutputs
from comfypipe.project import ProjectLayout


def jobs(plan: Plan, step: Step, results: Mapping[str, StepOutputs], layout: ProjectLayout) -> tuple[Job, ...]:
    """
    Return the prompts that *step* submits: none when its ``when`` is false, one for each item of a fan-out, else one.

    Args:
        results: What the steps that it reads gave.

    Raises:
        PlanError: One of its expressions has no value.
        InputInvalid: A value does not fit the workflow's input.
        TemplateError: The template cannot be rendered with these values.
        PromptInvalid: What it gives is no prompt.
    """
    scope = scope_of(plan.inputs, plan.steps, results)
    if not is_wanted(step, scope):
        return ()
    if step.id in plan.ready:
        return (plan.ready[step.id],)
    if step.for_each is None:
        return (_job(plan, step, scope, None, layout),)
    items = enumerate(fan_out(step, scope))
    return tuple(_job(plan, step, {**scope, "item": item}, index, layout) for index, item in items)


def outputs(plan: Plan, results: Mapping[str, StepOutputs]) -> Mapping[str, Value]:
    """
    Return the outputs of the plan.

    Where its manifest declares none, these are all that the last steps gave, under the names that they gave them; with
    the step's id before it where there are several last steps. What a skipped step would have given is None.

    Raises:
        PlanError: An output's expression has no value.
    """
    if not plan.outputs:
        return _of_last_steps(plan, results)
    scope = scope_of(plan.inputs, plan.steps, results)
    found: dict[str, Value] = {}
    for name, raw in plan.outputs.items():
        try:
            found[name] = evaluate(raw, scope)
        except ExpressionError as error:
            raise PlanError(f"output {name}: {error.problem}", hint=error.hint) from None
    return found


def scope_of(
    inputs: Mapping[str, Value], steps: tuple[Step, ...], results: Mapping[str, StepOutputs]
) -> dict[str, Any]:
    """Return what expressions read: ``inputs``, and the outputs of the steps that have results."""
    gathered = {
        step.id: Names({"outputs": Names(_gathered(step, results[step.id]))}) for step in steps if step.id in results
    }
    return {"inputs": Names(inputs), "steps": Names(gathered)}


def fan_out(step: Step, scope: Mapping[str, Any]) -> list[Any]:
    """
    Return the items that a step with ``for_each`` runs over: those of a list; one output of a step is a list of one.

    Raises:
        PlanError: It has no value, or that is no list.
    """
    value = _evaluate(step, "for_each", step.for_each, scope)
    if isinstance(value, list | tuple):
        return list(value)
    if steps_read(step.for_each):  # a node saves one file or several: only the run tells
        return [value]
    message = f'step "{step.id}": for_each takes a list, not {describe(value)}'
    raise PlanError(message, source=step.source("for_each"))


def is_wanted(step: Step, scope: Mapping[str, Any]) -> bool:
    """
    Return whether the step's ``when`` lets it run.

    Raises:
        PlanError: It has no value.
    """
    return step.when is None or bool(_evaluate(step, "when", step.when, scope))


def with_files(step: Step, job: Job, here: Mapping[str, tuple[Path, str]], layout: ProjectLayout) -> Job:
    """
    Return *job* as it is once files that it knew by URL are on this machine: named, and its digest made, by content.

    Args:
        here: By URL, where the file lies and the SHA-256 of its bytes, as hex.
    """
    values = {name: _here(value, here) for name, value in job.values.items()}
    return make_job(step, values, job.item, layout, here)[0]


def make_job(
    step: Step,
    values: Mapping[str, Value],
    item: int | None,
    layout: ProjectLayout,
    here: Mapping[str, tuple[Path, str]] | None = None,
) -> tuple[Job, RenderedWorkflow]:
    """
    Return the job that *step* is with these inputs, with the places that its prompt was written in.

    Args:
        here: As for `with_files`, for the files that its manifest names.
    """
    spec = workflow_spec(step.workflow)
    rendered = render_workflow(step.workflow, values, layout)
    static = (replace(each, file=_here(each.file, here or {})) for each in static_files(step.workflow, layout))
    placed = (*files_of(values), *static)
    outputs = outputs_of(step.workflow, rendered)
    job = Job(
        step_id=step.id,
        item=item,
        workflow=step.workflow.name,
        values=values,
        prompt=rendered.prompt,
        files=placed,
        outputs=outputs,
        digest=job_digest(rendered.prompt, placed, spec.models, outputs),
        backend=step.backend,
        accelerator=step.accelerator,
        retry=step.retry,
        timeout_s=step.timeout_s,
        models=spec.models,
    )
    return job, rendered


def _job(plan: Plan, step: Step, scope: Mapping[str, Any], item: int | None, layout: ProjectLayout) -> Job:
    found = resolve_step(step, scope, item=item, seed=plan.seed, root=layout.root)
    if found.diagnostics:
        raise invalid_inputs(found.diagnostics)
    return make_job(step, found.values, item, layout)[0]


def _here(value: Any, here: Mapping[str, tuple[Path, str]]) -> Any:
    if isinstance(value, list):
        return [_here(each, here) for each in value]
    found = here.get(value.url or "") if isinstance(value, FileValue) and value.path is None else None
    if found is None:
        return value
    path, sha256 = found
    return replace(value, path=path, sha256=sha256)


def invalid_inputs(found: tuple[Diagnostic, ...]) -> InputInvalid:
    """Return the error that tells all of *found*."""
    first = found[0]
    if len(found) == 1:
        return InputInvalid(first.message, hint=first.hint, source=first.source)
    lines = "\n".join(f"  {line}" for each in found for line in str(each).splitlines())
    return InputInvalid(f"{len(found)} inputs are wrong:\n{lines}")


def _evaluate(step: Step, key: str, raw: Any, scope: Mapping[str, Any]) -> Any:
    try:
        return evaluate(raw, scope)
    except ExpressionError as error:
        raise PlanError(f'step "{step.id}": {error.problem}', hint=error.hint, source=step.source(key)) from None


def _gathered(step: Step, result: StepOutputs) -> Mapping[str, Value]:
    """Return a step's outputs by name: those of a fan-out as one flat list each, those of a skipped step as None."""
    declared = workflow_spec(step.workflow).outputs
    if isinstance(result, Mapping):
        return {**dict.fromkeys(declared), **result}
    names = dict.fromkeys([*declared, *(name for each in result for name in each)])
    return {name: [one for each in result for one in _listed(each.get(name)) if one is not None] for name in names}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _of_last_steps(plan: Plan, results: Mapping[str, StepOutputs]) -> Mapping[str, Value]:
    read = {name for step in plan.steps for name in step.reads}
    last = [step for step in plan.steps if step.id not in read and step.id in results]
    return {
        name if len(last) == 1 else f"{step.id}_{name}": value
        for step in last
        for name, value in _gathered(step, results[step.id]).items()
    }
