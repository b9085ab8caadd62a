"""Drawings of prompts, workflows and pipelines, with their inputs, models and outputs marked."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.errors import ManifestInvalid, PromptInvalid
from comfypipe.importing.folders import model_folder
from comfypipe.importing.prompt_parts import inputs_of, is_link, title_of
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import MEDIA_TYPES, ChoiceInput, PipelineSpec, StepSpec, WorkflowSpec
from comfypipe.manifest.values import Value
from comfypipe.plan.placeholders import WORD, other_value, placeholder_file
from comfypipe.plan.references import expressions, parse_expression
from comfypipe.plan.rendering import render_workflow
from comfypipe.plan.trials import trials
from comfypipe.project import ProjectLayout
from comfypipe.prompt.bind import Target, resolve
from comfypipe.prompt.graph import PromptGraph
from comfypipe.reports.drawing import Arrow, Box, Drawing


def draw_prompt(
    prompt: JSONObject,
    name: str,
    *,
    inputs: Mapping[Target, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    models: Iterable[str] = (),
) -> Drawing:
    """
    Draw a prompt in API format.

    Args:
        inputs: By place in the prompt, the name of the input that is set there.
        outputs: By name of an output, the node that gives it.
        models: Paths of the models that a manifest declares; those that nodes name are marked.
    """
    given: dict[str, list[str]] = {}
    for target, name_of_input in (inputs or {}).items():
        given.setdefault(target.node_id, []).append(name_of_input)
    gives: dict[str, list[str]] = {}
    for name_of_output, node_id in (outputs or {}).items():
        gives.setdefault(node_id, []).append(name_of_output)
    declared = {path.split("/", 2)[-1]: path for path in models}
    boxes = tuple(
        Box(
            id=node_id,
            title=title_of(node) or node["class_type"],
            kind=node["class_type"],
            inputs=tuple(dict.fromkeys(given.get(node_id, ()))),
            models=tuple(_models(node, declared)),
            outputs=tuple(gives.get(node_id, ())),
        )
        for node_id, node in prompt.items()
    )
    return Drawing(name, boxes, tuple(_links(prompt)))


def _models(node: JSONObject, declared: Mapping[str, str]) -> Iterator[str]:
    for name, value in inputs_of(node).items():
        if isinstance(value, str):
            folder = model_folder(node["class_type"], name, value)
            path = value.replace("\\", "/")
            if path in declared:
                yield declared[path]
            elif folder is not None:
                yield f"models/{folder}/{path}"


def _links(prompt: JSONObject) -> Iterator[Arrow]:
    for node_id, node in prompt.items():
        for name, value in inputs_of(node).items():
            if is_link(value) and str(value[0]) in prompt:
                yield Arrow(str(value[0]), node_id, name)


def draw_manifest(manifest: Manifest, layout: ProjectLayout) -> Drawing:
    """
    Draw a workflow, with its defaults and placeholders for what has none, or a pipeline.

    Raises:
        ManifestInvalid: Its defaults cannot be used.
        TemplateError: Its template cannot be rendered.
        PromptInvalid: What it gives is no prompt.
    """
    if isinstance(manifest.spec, PipelineSpec):
        return draw_pipeline(manifest.spec, manifest.name)
    return _draw_workflow(manifest, manifest.spec, layout)


def _draw_workflow(manifest: Manifest, spec: WorkflowSpec, layout: ProjectLayout) -> Drawing:
    tried = trials(manifest, layout)
    if not tried.trials:
        raise ManifestInvalid(tried.diagnostics)
    values = tried.trials[0].values
    prompt = render_workflow(manifest, values, layout).prompt
    graph = PromptGraph.parse(prompt)
    return draw_prompt(
        prompt,
        manifest.name,
        inputs=dict(_places(manifest, spec, values, prompt, layout)),
        outputs={name: graph.find(each.node).id for name, each in spec.outputs.items()},
        models=[each.path for each in spec.models],
    )


def _places(
    manifest: Manifest, spec: WorkflowSpec, values: Mapping[str, Value], prompt: JSONObject, layout: ProjectLayout
) -> Iterator[tuple[Target, str]]:
    """Yield where each input is set: what it is bound to, or what of a template's prompt differs with another value."""
    for name, each in spec.inputs.items():
        if each.targets:
            for reference in each.targets:
                yield resolve(prompt, reference), name
            continue
        value = _another(each, name, values[name])
        try:
            other = render_workflow(manifest, {**values, name: value}, layout).prompt
        except PromptInvalid:
            continue  # a template may not take every value
        for target in _differing(prompt, other):
            yield target, name


def _another(spec: Any, name: str, value: Value) -> Value:
    if isinstance(value, bool):
        return not value
    if isinstance(spec, ChoiceInput):
        return next((each for each in spec.choices if each != value), value)
    if value is None:
        return placeholder_file(name, spec.type) if spec.type in MEDIA_TYPES else WORD
    return other_value(value)


def _differing(prompt: JSONObject, other: JSONObject) -> Iterator[Target]:
    for node_id, node in prompt.items():
        before, after = inputs_of(node), inputs_of(other.get(node_id))
        for name, value in before.items():
            if after.get(name, value) != value:
                yield Target(node_id, name)


def draw_pipeline(spec: PipelineSpec, name: str) -> Drawing:
    """Draw a pipeline: its steps, and which outputs of one are read by another."""
    gives: dict[str, list[str]] = {}
    for output, text in spec.outputs.items():
        for step_id, _ in _reads(text, "steps"):
            gives.setdefault(step_id, []).append(output)
    boxes = tuple(
        Box(
            id=step.id,
            title=_step_title(step),
            kind=step.workflow,
            inputs=tuple(dict.fromkeys(read for read, _ in _reads(_written(step), "inputs"))),
            outputs=tuple(gives.get(step.id, ())),
        )
        for step in spec.steps
    )
    known = {step.id for step in spec.steps}
    arrows = (
        Arrow(source, step.id, output)
        for step in spec.steps
        for source, output in dict.fromkeys(_reads(_written(step), "steps"))
        if source in known
    )
    return Drawing(name, boxes, tuple(arrows))


def _step_title(step: StepSpec) -> str:
    marks = ("for each" if step.for_each is not None else "", "when" if step.when is not None else "")
    more = ", ".join(filter(None, marks))
    return f"({more})" if more else step.id


def _written(step: StepSpec) -> list[Any]:
    return [step.inputs, step.for_each, step.when]


def _reads(value: Any, root: str) -> Iterator[tuple[str, str]]:
    """Yield what the expressions in *value* read below ``inputs`` or ``steps``: the name, and the output of a step."""
    for _, text in expressions(value):
        for path in parse_expression(text).references:
            if path[0] == root and len(path) > 1:
                yield path[1], path[3] if len(path) > 3 else ""
