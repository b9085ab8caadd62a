"""Which inputs a workflow or a pipeline reads, and which names it reads that are no inputs."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from comfypipe.diagnostics import Diagnostic, Source, did_you_mean
from comfypipe.errors import TemplateError
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.rules import TEMPLATE_SUFFIX
from comfypipe.manifest.schema import PipelineSpec, WorkflowSpec
from comfypipe.plan.findings import diagnostics_of
from comfypipe.plan.references import ExpressionError, expressions, parse_expression
from comfypipe.project import ProjectLayout


def names_not_read(manifest: Manifest, layout: ProjectLayout, told: Iterable[Diagnostic]) -> list[Diagnostic]:
    """
    Return a warning for each input that nothing reads, an error for each name that a template reads and nobody gives.

    Args:
        told: Names that rendering found undefined: nothing is said of them again.
    """
    spec = manifest.spec
    if isinstance(spec, PipelineSpec):
        return list(_unused(manifest, _read_by_steps(spec), "no step reads it"))
    if not spec.workflow.endswith(TEMPLATE_SUFFIX):
        bound = frozenset(name for name, each in spec.inputs.items() if each.targets)
        return list(_unused(manifest, bound, 'say where it goes: bind: "NODE.inputs.NAME"'))
    if not (layout.root / spec.workflow).is_file():
        return []
    return list(_of_template(manifest, spec, layout, told))


def _of_template(
    manifest: Manifest, spec: WorkflowSpec, layout: ProjectLayout, told: Iterable[Diagnostic]
) -> Iterator[Diagnostic]:
    from comfypipe.template.render import names_read

    path = layout.root / spec.workflow
    try:
        read = names_read(path, layout.workflows, layout.show(path))
    except TemplateError as error:
        yield from diagnostics_of(error, manifest)
        return
    yield from _unused(manifest, read, f"{spec.workflow} does not read it")
    known = " ".join(each.message for each in told)
    for name in sorted(read - set(spec.inputs)):
        if not re.search(rf"\b{re.escape(name)}\b", known):
            takes = f"inputs are {', '.join(spec.inputs)}" if spec.inputs else f"declare it under inputs: {name}"
            hint = did_you_mean(name, spec.inputs) or takes
            source = _find(name, path, layout)
            yield Diagnostic("undefined-name", f'the template reads "{name}", which is no input', source, hint)


def _find(name: str, template: Path, layout: ProjectLayout) -> Source:
    """Return the line that reads *name*: in the template, else in a file that it may include."""
    pattern = re.compile(rf"\{{[{{%].*?\b{re.escape(name)}\b")
    for path in (template, *sorted(layout.workflows.rglob("*.j2"))):
        text = path.read_text("utf-8-sig", errors="replace") if path.is_file() else ""
        for number, line in enumerate(text.splitlines(), 1):
            if found := pattern.search(line):
                return Source(layout.show(path), number, found.end() - len(name) + 1)
    return Source(layout.show(template))


def _unused(manifest: Manifest, read: Iterable[str], hint: str) -> Iterator[Diagnostic]:
    for name in manifest.spec.inputs:
        if name not in set(read):
            message = f"input {name} of {manifest.name} is never used"
            source = manifest.key_source("inputs", name)
            yield Diagnostic("unused-input", message, source, hint, "warning")


def _read_by_steps(spec: PipelineSpec) -> frozenset[str]:
    written = [*((step.inputs, step.for_each, step.when) for step in spec.steps), spec.outputs]
    read: set[str] = set()
    for _, text in expressions(written):
        try:
            found = parse_expression(text)
        except ExpressionError:
            continue  # told already
        read |= {path[1] for path in found.references if path[0] == "inputs" and len(path) > 1}
    return frozenset(read)
