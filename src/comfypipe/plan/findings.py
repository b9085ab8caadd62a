"""What is wrong with a workflow, as diagnostics with their places."""

from collections.abc import Iterable, Iterator, Sequence

from comfypipe.diagnostics import Diagnostic, Source
from comfypipe.errors import (
    ComfypipeError,
    InputInvalid,
    PromptInvalid,
    TemplateNotJSON,
    TemplateTooExpensive,
    TemplateUndefined,
)
from comfypipe.manifest.destinations import is_url
from comfypipe.manifest.load import Manifest
from comfypipe.plan.rendering import RenderedWorkflow, workflow_spec
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

_CODES: tuple[tuple[type[ComfypipeError], str], ...] = (
    (TemplateUndefined, "undefined-name"),
    (TemplateNotJSON, "template-not-json"),
    (TemplateTooExpensive, "template-too-expensive"),
    (InputInvalid, "missing-file"),
)


def diagnostics_of(error: ComfypipeError, workflow: Manifest) -> list[Diagnostic]:
    """Return what rendering or checking *workflow* raised; what has no place of its own is put down to its template."""
    template = Source(workflow_spec(workflow).workflow)
    if not isinstance(error, PromptInvalid):
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "template-error")
        return [Diagnostic(code, error.message, error.source or template, error.hint)]
    if not error.diagnostics:
        code = str(error.error.get("type", "invalid_prompt")).replace("_", "-")
        return [Diagnostic(code, error.message, error.source or template, error.hint)]
    return [
        each if each.source else Diagnostic(each.code, each.message, template, each.hint, each.severity)
        for each in error.diagnostics
    ]


def without_echoes(assembled: Sequence[Diagnostic], rendered: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return what rendering found without what only repeats, of the same place, that an expression reads nothing."""
    told = {each.source for each in assembled}
    return [each for each in rendered if each.source not in told or each.code not in ("bad-expression", "bad-for-each")]


def missing_files(workflow: Manifest, layout: ProjectLayout) -> list[Diagnostic]:
    """Return an error for each file of the project that the manifest names and that is not there."""
    return list(_missing_files(workflow, layout))


def _missing_files(workflow: Manifest, layout: ProjectLayout) -> Iterator[Diagnostic]:
    spec = workflow_spec(workflow)
    if not layout.file(spec.workflow)[0].is_file():
        yield _missing(f"the template {spec.workflow}", spec.workflow, workflow.source("workflow"), layout)
    for name, asset in spec.files.items():
        if not is_url(asset) and not (layout.root / asset).is_file():
            yield _missing(f"the file {asset}", asset, workflow.source("files", name), layout)


def _missing(what: str, name: str, source: Source, layout: ProjectLayout) -> Diagnostic:
    from difflib import get_close_matches  # a mistake is rare: its cost stays off the start-up path

    hint: str | None
    folder = (layout.root / name).parent
    if not folder.is_dir():
        hint = f"there is no folder {layout.show(folder)}"
        return Diagnostic("missing-file", f"{what} does not exist", source, hint)
    # Compared without suffixes: these are alike in all of them.
    present = {each.name.split(".", 1)[0]: each for each in sorted(folder.iterdir())}
    close = get_close_matches(name.rsplit("/", 1)[-1].split(".", 1)[0], present, n=1, cutoff=0.6)
    hint = f"did you mean {layout.show(present[close[0]])}?" if close else None
    return Diagnostic("missing-file", f"{what} does not exist", source, hint)


def silent_outputs(workflow: Manifest, rendered: RenderedWorkflow, offered: ObjectInfo) -> Iterator[Diagnostic]:
    """Yield an error for each declared output whose node saves nothing, as far as its class is known."""
    for name, output in workflow_spec(workflow).outputs.items():
        node = rendered.graph.find(output.node)
        if node.class_type in offered and not offered[node.class_type].output_node:
            saving = [
                each.title or each.id
                for each in rendered.graph.nodes.values()
                if each.class_type in offered and offered[each.class_type].output_node
            ]
            message = f"outputs.{name}: node {node.id} ({node.class_type}) saves nothing"
            hint = f"nodes that save are {', '.join(saving)}" if saving else "add a node that saves, such as SaveImage"
            yield Diagnostic("bad-output", message, workflow.source("outputs", name, "node"), hint)
