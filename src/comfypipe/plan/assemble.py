"""The steps of a plan, out of manifests: what they read, whether it is there, and in which order they can run."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from comfypipe.diagnostics import Diagnostic, Source, did_you_mean
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import PipelineSpec, StepSpec, WorkflowSpec
from comfypipe.plan.library import Library
from comfypipe.plan.references import (
    Expression,
    ExpressionError,
    Scope,
    cycle,
    expressions,
    is_expression,
    order,
    parse_expression,
)
from comfypipe.plan.rendering import workflow_spec
from comfypipe.plan.steps import Step
from comfypipe.project import ProjectLayout


class Assembly(Struct, frozen=True):
    """
    The steps of a manifest.

    Attributes:
        manifest: The pipeline's; None for a plain workflow.
        steps: Each after those that it reads; those that are wrong in themselves are left out.
        outputs: By name, the expression that gives it.
        diagnostics: What is wrong with them.
    """

    steps: tuple[Step, ...]
    outputs: Mapping[str, Any]
    diagnostics: tuple[Diagnostic, ...] = ()
    manifest: Manifest | None = None


def assemble(manifest: Manifest, library: Library, layout: ProjectLayout) -> Assembly:
    """Return the steps of *manifest*: one for a workflow, all of them for a pipeline."""
    if isinstance(manifest.spec, WorkflowSpec):
        return _single(manifest, manifest.spec)
    return _Pipeline(manifest, manifest.spec, library, layout).assemble()


def _single(manifest: Manifest, spec: WorkflowSpec) -> Assembly:
    step = Step(
        id=manifest.name,
        workflow=manifest,
        inputs={name: f"{{{{ inputs.{name} }}}}" for name in spec.inputs},
        accelerator=spec.accelerator,
        retry=spec.retry,
        timeout_s=spec.timeout_s,
    )
    path = f"steps.{manifest.name}" if manifest.name.isidentifier() else f'steps["{manifest.name}"]'
    outputs = {name: f"{{{{ {path}.outputs.{name} }}}}" for name in spec.outputs}
    return Assembly((step,), outputs)


class _Pipeline:
    def __init__(self, manifest: Manifest, spec: PipelineSpec, library: Library, layout: ProjectLayout) -> None:
        self._manifest = manifest
        self._spec = spec
        self._library = library
        self._layout = layout
        self._found: list[Diagnostic] = []
        self._unreadable: set[str | int] = set()

    def assemble(self) -> Assembly:
        workflows = {step.id: self._workflow(index, step) for index, step in enumerate(self._spec.steps)}
        scope = self._scope(workflows)
        reads = {step.id: self._check(index, step, scope) for index, step in enumerate(self._spec.steps)}
        for name, raw in self._spec.outputs.items():
            self._read(raw, f'output "{name}"', ("outputs", name), scope)
        self._check_cycle(reads)
        made = {
            step.id: self._step(index, step, workflow, reads[step.id])
            for index, step in enumerate(self._spec.steps)
            if (workflow := workflows[step.id]) is not None and index not in self._unreadable
        }
        steps = tuple(made[name] for name in order(reads) if name in made)
        outputs = {name: raw for name, raw in self._spec.outputs.items() if name not in self._unreadable}
        return Assembly(steps, outputs, tuple(self._found), self._manifest)

    def _error(self, code: str, message: str, source: Source, hint: str | None = None) -> None:
        self._found.append(Diagnostic(code, message, source, hint))

    def _workflow(self, index: int, step: StepSpec) -> Manifest | None:
        if step.workflow in self._library.workflows:
            return self._library.workflows[step.workflow]
        source = self._manifest.source("steps", index, "workflow")
        if step.workflow in self._library.pipelines:
            hint = "pipelines do not nest: name its workflows as steps here"
            self._error("bad-step", f'step "{step.id}" runs {step.workflow}, which is a pipeline', source, hint)
        elif step.workflow in self._library.broken:
            message = f'step "{step.id}" runs {step.workflow}, whose manifest cannot be used'
            self._error("bad-step", message, source, f"`comfypipe validate {step.workflow}` says why")
        else:
            hint = did_you_mean(step.workflow, self._library.names()) or "`comfypipe list` shows what there is"
            message = f'step "{step.id}" runs {step.workflow}, but there is no such workflow'
            self._error("unknown-workflow", message, source, hint)
        return None

    def _scope(self, workflows: Mapping[str, Manifest | None]) -> Scope:
        specs = {name: workflow_spec(each) if each else None for name, each in workflows.items()}
        return Scope(
            tuple(self._spec.inputs),
            {name: tuple(spec.outputs) if spec else None for name, spec in specs.items()},
            {name: each.shown for name, each in workflows.items() if each and not workflow_spec(each).outputs},
        )

    def _check(self, index: int, step: StepSpec, scope: Scope) -> frozenset[str]:
        who = f'step "{step.id}"'
        path = ("steps", index)
        reads: set[str] = set()
        below = Scope(scope.inputs, scope.outputs, scope.undeclared, item=step.for_each is not None)
        for name, raw in step.inputs.items():
            reads |= self._read(raw, who, (*path, "inputs", name), below)
        reads |= self._read(step.for_each, who, (*path, "for_each"), scope)
        reads |= self._read(step.when, who, (*path, "when"), scope)
        self._check_controls(index, step)
        return frozenset(reads & set(scope.outputs))

    def _check_controls(self, index: int, step: StepSpec) -> None:
        for key, raw in (("for_each", step.for_each), ("when", step.when)):
            if isinstance(raw, str) and not _is_whole(raw):
                hint = f'write {key}: "{{{{ {raw.strip("{} ")} }}}}"'
                message = f'step "{step.id}": {key} takes one expression, not text'
                self._error("wrong-type", message, self._manifest.source("steps", index, key), hint)
        backends = self._layout.settings.backends
        if step.backend is not None and ":" not in step.backend and step.backend not in backends:
            hint = did_you_mean(step.backend, backends) or "it is a URL, or a name under [tool.comfypipe.backends]"
            message = f'step "{step.id}" runs on {step.backend}, but there is no such backend'
            self._error("unknown-backend", message, self._manifest.source("steps", index, "backend"), hint)

    def _read(self, raw: Any, who: str, path: tuple[str | int, ...], scope: Scope) -> set[str]:
        """Check the expressions in a value as written; return the steps that they read."""
        reads: set[str] = set()
        for below, text in expressions(raw):
            source = self._manifest.source(*path, *below)
            try:
                expression: Expression = parse_expression(text)
            except ExpressionError as error:
                self._error("bad-expression", f"{who}: {error.problem}", source, error.hint)
                self._unreadable.add(path[1])
                continue
            self._found += scope.check(expression, who, source)
            reads |= expression.steps
        return reads

    def _check_cycle(self, reads: Mapping[str, frozenset[str]]) -> None:
        if found := cycle(reads):
            index = [step.id for step in self._spec.steps].index(found[0])
            source = self._manifest.source("steps", index, "id")
            message = f"steps wait for each other: {' reads '.join(found)}"
            self._error("reference-cycle", message, source, "one of them must not read the next")

    def _step(self, index: int, step: StepSpec, workflow: Manifest, reads: frozenset[str]) -> Step:
        self._found += self._input_problems(index, step, workflow)
        spec = workflow_spec(workflow)
        return Step(
            id=step.id,
            workflow=workflow,
            inputs=step.inputs,
            for_each=step.for_each,
            when=step.when,
            reads=reads,
            backend=step.backend,
            accelerator=spec.accelerator if step.accelerator is None else step.accelerator,
            retry=step.retry or spec.retry,
            timeout_s=step.timeout_s or spec.timeout_s,
            pipeline=self._manifest,
            index=index,
        )

    def _input_problems(self, index: int, step: StepSpec, workflow: Manifest) -> Iterator[Diagnostic]:
        known = workflow.spec.inputs
        for name in step.inputs:
            if name not in known:
                takes = f"it takes {', '.join(known)}" if known else "it takes no inputs"
                source = self._manifest.key_source("steps", index, "inputs", name)
                message = f'step "{step.id}": {step.workflow} has no input "{name}"'
                yield Diagnostic("unknown-input", message, source, did_you_mean(name, known) or takes)


def _is_whole(text: str) -> bool:
    try:
        return is_expression(text) and parse_expression(text).whole
    except ExpressionError:
        return True  # told already
