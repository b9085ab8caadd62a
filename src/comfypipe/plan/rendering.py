"""A workflow and the values of its inputs: the prompt, its files, and where its outputs are."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from comfypipe._types import JSON, JSONObject
from comfypipe.diagnostics import Diagnostic
from comfypipe.errors import InputInvalid, PromptInvalid
from comfypipe.manifest.coerce import BadValue
from comfypipe.manifest.destinations import is_url
from comfypipe.manifest.inputs import file_opener
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.rules import TEMPLATE_SUFFIX
from comfypipe.manifest.schema import WorkflowSpec
from comfypipe.manifest.values import FileValue, Value
from comfypipe.plan.steps import PlacedFile
from comfypipe.project import ProjectLayout
from comfypipe.prompt.bind import bind
from comfypipe.prompt.graph import PromptGraph

if TYPE_CHECKING:
    from comfypipe.template.rendered import Rendered


class RenderedWorkflow(Struct, frozen=True):
    """
    A prompt as it would be submitted.

    Attributes:
        source: Where its parts were written.
    """

    graph: PromptGraph
    prompt: JSONObject
    source: "Rendered"


def workflow_spec(manifest: Manifest) -> WorkflowSpec:
    """Return the spec of a manifest that is known to be a workflow's."""
    if not isinstance(manifest.spec, WorkflowSpec):
        raise TypeError(f"{manifest.name} is no workflow")
    return manifest.spec


def render_workflow(manifest: Manifest, values: Mapping[str, Value], layout: ProjectLayout) -> RenderedWorkflow:
    """
    Return the prompt that a workflow gives for *values*.

    Raises:
        TemplateError: Its template cannot be rendered.
        PromptInvalid: What it gives is no prompt, or an input is bound to a node that is not there.
    """
    spec = workflow_spec(manifest)
    path, shown = layout.file(spec.workflow)
    if spec.workflow.endswith(TEMPLATE_SUFFIX):
        from comfypipe.template.render import render

        named = {name: as_json(value) for name, value in values.items()}
        rendered = render(path, named, root=layout.workflows, shown=shown)
    else:
        from comfypipe.template.export import load_export

        exported = load_export(path, shown)
        rendered = dataclasses.replace(exported, document=_bound(exported.document, manifest, values))
    return RenderedWorkflow(PromptGraph.parse(rendered.document), rendered.document, rendered)


def _bound(document: JSONObject, manifest: Manifest, values: Mapping[str, Value]) -> JSONObject:
    for name, spec in manifest.spec.inputs.items():
        for index, target in enumerate(spec.targets):
            if values[name] is None:
                continue  # what the export says stays
            try:
                document = bind(document, {target: as_json(values[name])})
            except PromptInvalid as error:
                keys = ("bind",) if isinstance(spec.bind, str) else ("bind", index)
                source = manifest.source("inputs", name, *keys)
                found = Diagnostic("bad-bind", f"inputs.{name}.bind: {error.message}", source, error.hint)
                raise PromptInvalid(found.message, hint=found.hint, source=source, diagnostics=[found]) from None
    return document


def as_json(value: Value | Any) -> JSON:
    """Return a value as templates see it: a file as the name that nodes are given."""
    match value:
        case FileValue():
            return value.placement
        case list():
            return [as_json(each) for each in value]
    return value


def files_of(values: Mapping[str, Value]) -> Iterator[PlacedFile]:
    """Yield the files among the values, each once."""
    seen: set[str] = set()
    waiting: list[Any] = list(values.values())[::-1]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, FileValue) and value.placement not in seen:
            seen.add(value.placement)
            yield PlacedFile(f"input/{value.placement}", value)


def static_files(manifest: Manifest, layout: ProjectLayout) -> Iterator[PlacedFile]:
    """
    Yield what the manifest's ``files`` puts in place.

    Raises:
        InputInvalid: One of them is not there.
    """
    opened = file_opener(layout.root)
    for name, source in workflow_spec(manifest).files.items():
        try:
            file = opened(source, "file")
        except BadValue as error:
            place = manifest.source("files", name)
            raise InputInvalid(f"files: {name} {error.problem}", hint=error.hint, source=place) from None
        yield PlacedFile(name, file if is_url(source) else replace(file, filename=name.rsplit("/", 1)[-1]))


def outputs_of(manifest: Manifest, rendered: RenderedWorkflow) -> Mapping[str, tuple[str, str]]:
    """
    Return the declared outputs by name: id of the node, declared type.

    Raises:
        PromptInvalid: One of them names no node of the prompt.
    """
    found: dict[str, tuple[str, str]] = {}
    wrong: list[Diagnostic] = []
    for name, output in workflow_spec(manifest).outputs.items():
        try:
            found[name] = (rendered.graph.find(output.node).id, output.type)
        except PromptInvalid as error:
            source = manifest.source("outputs", name, "node")
            wrong.append(Diagnostic("unknown-node", f"outputs.{name}: {error.message}", source, error.hint))
    if wrong:
        first = wrong[0]
        raise PromptInvalid(first.message, hint=first.hint, source=first.source, diagnostics=wrong)
    return found
