"""What will run: plans, their steps, and the jobs that steps become."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from comfypipe._types import JSONObject
from comfypipe.diagnostics import Diagnostic, Source
from comfypipe.manifest.inputs import FileValue, Value
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import ModelSpec, RetrySpec, SeedInput
from comfypipe.plan.placeholders import placeholder_output
from comfypipe.plan.references import expressions, is_expression, parse_expression, steps_read

StepOutputs: TypeAlias = Mapping[str, Value] | tuple[Mapping[str, Value], ...]
"""What a step gave: outputs by name; for a fan-out, one such mapping an item. A skipped step gave an empty mapping."""


class Step(Struct, frozen=True, dict=True):
    """
    One step of a plan.

    Attributes:
        inputs: As written: literal values and expressions.
        for_each: A list, or the expression of one; None when the step runs once.
        when: The condition, as written; None when it always runs.
        reads: Ids of the steps whose outputs it reads.
        pipeline: The manifest that it stands in; None for the only step of a plain workflow.
        index: Its place among the steps of *pipeline*.
    """

    id: str
    workflow: Manifest
    inputs: Mapping[str, Any]
    for_each: Any | None = None
    when: Any | None = None
    reads: frozenset[str] = frozenset()
    backend: str | None = None
    accelerator: tuple[str, ...] = ()
    retry: RetrySpec = RetrySpec()
    timeout_s: float = 3600.0
    pipeline: Manifest | None = None
    index: int = 0

    @cached_property
    def written(self) -> "Mapping[str, WrittenInput]":
        """Its inputs, by name, with what can be told of each before it has a value."""
        fans_out_over_made = bool(steps_read(self.for_each))
        return {name: _written(raw, fans_out_over_made) for name, raw in self.inputs.items()}

    @cached_property
    def has_open_seed(self) -> bool:
        """Whether its workflow takes a seed that neither the step nor a default gives."""
        return any(
            isinstance(spec, SeedInput) and spec.default is None and self.inputs.get(name) is None
            for name, spec in self.workflow.spec.inputs.items()
        )

    @cached_property
    def placeholders(self) -> Mapping[str, Value]:
        """What stands in for its outputs, by name, before it has run."""
        declared = getattr(self.workflow.spec, "outputs", {})
        return {name: placeholder_output(spec, f"{self.id}-{name}") for name, spec in declared.items()}

    def source(self, *keys: str | int) -> Source:
        """Return the place of a part of the step, such as ``("inputs", "width")``."""
        if self.pipeline is None:
            return self.workflow.source(*keys)
        return self.pipeline.source("steps", self.index, *keys)


class WrittenInput(Struct, frozen=True):
    """
    An input of a step as it is written.

    Attributes:
        made: Whether it reads what steps make.
        text: Whether it may stand for another type, as text does on a command line.
    """

    raw: Any
    made: bool
    text: bool


def _written(raw: Any, fans_out_over_made: bool) -> WrittenInput:
    found = [parse_expression(text) for _, text in expressions(raw)]
    made = any(each.steps or (fans_out_over_made and each.reads("item")) for each in found)
    return WrittenInput(raw, made, not found[0].whole if is_expression(raw) else not found)


class Plan(Struct, frozen=True):
    """
    What will run.

    Attributes:
        name: Of the workflow or pipeline.
        inputs: Resolved: every declared input has a value.
        steps: Each after those that it reads.
        outputs: By name, the expression that gives it; empty when everything that the last steps save is an output.
        digest: Names the content, the same on every machine: SHA-256, hex.
        drawn: Names of the inputs whose seed was drawn, not given.
        seed: Drawn once for the seeds of steps that the pipeline leaves open; None when no step has one. Pass it as
            ``draw_seed`` to build the same plan again.
        warnings: What was found and does not keep the plan from running.
        ready: By step id, the jobs of steps that nothing is open of: they read no other step, and do not fan out.
    """

    name: str
    kind: Literal["Workflow", "Pipeline"]
    inputs: Mapping[str, Value]
    steps: tuple[Step, ...]
    outputs: Mapping[str, Any]
    digest: str
    drawn: tuple[str, ...] = ()
    seed: int | None = None
    warnings: tuple[Diagnostic, ...] = ()
    ready: "Mapping[str, Job]" = {}

    def step(self, step_id: str) -> Step:
        """Return the step with this id."""
        return next(step for step in self.steps if step.id == step_id)

    def on(self, accelerator: str) -> "Plan":
        """Return the same plan with every step on *accelerator*, whatever its manifests name."""
        wanted = (accelerator,)
        steps = tuple(replace(step, accelerator=wanted) for step in self.steps)
        ready = {step_id: replace(job, accelerator=wanted) for step_id, job in self.ready.items()}
        return replace(self, steps=steps, ready=ready)


class PlacedFile(Struct, frozen=True):
    """A file and its place, relative to ComfyUI's folder: ``input/…`` or ``models/<folder>/…``."""

    name: str
    file: FileValue


class Job(Struct, frozen=True):
    """
    One prompt that will be submitted.

    Attributes:
        item: Its index in a fan-out; None when its step runs once.
        workflow: Name of the workflow.
        values: Its resolved inputs.
        prompt: API format.
        files: What must be in place before it starts.
        outputs: By name, the node that saves it and its declared type; empty when every saved file is an output.
        digest: Names the content: what the cache looks up. SHA-256, hex.
        undeclared: Whether it is a prompt without a manifest: it may need any models, and save no file.
    """

    step_id: str
    item: int | None
    workflow: str
    values: Mapping[str, Value]
    prompt: JSONObject
    files: tuple[PlacedFile, ...]
    outputs: Mapping[str, tuple[str, str]]
    digest: str
    backend: str | None = None
    accelerator: tuple[str, ...] = ()
    retry: RetrySpec = RetrySpec()
    timeout_s: float = 3600.0
    models: tuple[ModelSpec, ...] = ()
    undeclared: bool = False
