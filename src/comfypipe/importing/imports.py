"""``comfypipe import`` in one call: a file in, a workflow and its manifest out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from comfypipe._types import JSONObject
from comfypipe.errors import ImportFailed
from comfypipe.importing.base import BASE_SUFFIX, base_of, base_path
from comfypipe.importing.convert import Conversion, to_prompt
from comfypipe.importing.knobs import Knob, still_true
from comfypipe.importing.manifest import Candidate, Draft, Form, Source, candidates, draft
from comfypipe.importing.reading import Found, read_workflow
from comfypipe.importing.ui_graph import UIGraph, parse_ui_graph
from comfypipe.importing.write import (
    check_free,
    check_inside,
    check_name,
    find_manifest,
    suggested_name,
    write_files,
)
from comfypipe.project import ProjectLayout
from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.template.document import NotADocument, parse_document

Pick: TypeAlias = Callable[[Sequence[Candidate]], Collection[str]]
"""Asks a person which candidates are to become inputs; returns their names."""


@dataclass(frozen=True, slots=True)
class Imported:
    """
    What an import made.

    Attributes:
        workflow: The file with the prompt.
        manifest: The file beside it.
        draft: What is in them.
        unknown: Class types that the catalog does not have.
        warnings: What could not be taken over, one line each.
    """

    workflow: Path
    manifest: Path
    draft: Draft
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def load_source(
    found: Found,
    object_info: ObjectInfo | None,
    *,
    choose: Callable[[int], int] | None = None,
    now: datetime | None = None,
) -> tuple[Source, Conversion]:
    """
    Return what was found in a file as a prompt with all that is known about it.

    A prompt in the file is taken as it is, since that is what ran; a graph alone is converted.

    Args:
        object_info: Needed for graphs; for prompts it tells types and limits.
        choose: See `to_prompt`.
        now: See `to_prompt`.

    Raises:
        ImportFailed: A graph has to be converted and there is no catalog; or see `to_prompt`.
        PromptInvalid: The prompt has not the shape of one.
    """
    graph = parse_ui_graph(found.graph) if found.graph is not None else None
    if found.prompt is not None:
        PromptGraph.parse(found.prompt)
        return Source(found.prompt, graph, object_info, _knobs(found.prompt, graph, object_info)), Conversion(
            found.prompt
        )
    if graph is None:
        raise ImportFailed("there is neither a prompt nor a graph")
    if object_info is None:
        raise ImportFailed(
            "a UI graph can only be converted with a catalog of the server's nodes",
            hint="pull one with `comfypipe catalog pull --backend URL`, or give --catalog FILE",
        )
    converted = to_prompt(graph, object_info, choose=choose, now=now)
    return Source(converted.prompt, graph, object_info, converted.knobs), converted


def _knobs(prompt: JSONObject, graph: UIGraph | None, object_info: ObjectInfo | None) -> Mapping[tuple[str, str], Knob]:
    """Return what the graph beside a prompt shows as one value: that has to be so in the prompt, too."""
    if graph is None or object_info is None:
        return {}
    try:
        return still_true(to_prompt(graph, object_info).knobs, prompt)
    except ImportFailed:  # the prompt does without
        return {}


def import_workflow(
    path: Path,
    layout: ProjectLayout,
    *,
    object_info: ObjectInfo | None = None,
    name: str | None = None,
    form: Form = "bind",
    everything: bool = False,
    pick: Pick | None = None,
    force: bool = False,
) -> Imported:
    """
    Make a workflow and a manifest of the file *path*.

    Args:
        name: What it is to be called; by default what the file is called.
        form: Whether values are bound to an untouched export or read by a template.
        everything: All values become inputs.
        pick: Asks which values become inputs.
        force: Whether files that are there may be replaced.

    Raises:
        UsageError: The name cannot be used, or is taken.
        ImportFailed: No workflow can be made of the file, or the files cannot be written.
    """
    name = suggested_name(path) if name is None else name
    check_name(name)
    suffix = ".json.j2" if form == "template" else ".json"
    if not force:
        check_free(layout, name, suffix)
    found = read_workflow(path)
    source, converted = load_source(found, object_info)
    if not source.prompt:
        raise ImportFailed(f"nothing of {path.name} runs: all that it holds is muted, bypassed, or notes")
    made = draft(
        source,
        name,
        form=form,
        chosen=None if pick is None else pick(candidates(source)),
        everything=everything,
        description=f"Imported from {path.name}.",
        exported=usable_text(found),
    )
    workflow = layout.workflows / f"{name}{suffix}"
    manifest = find_manifest(layout, name) or layout.manifests / f"{name}.yaml"
    check_inside(layout, (workflow, manifest))
    write_files(_texts(made, layout, workflow, manifest))
    _remove_other_form(workflow, form)
    return Imported(workflow, manifest, made, converted.unknown, converted.warnings)


def usable_text(found: Found) -> str | None:
    """Return the text of a prompt where it can be kept untouched: not all that ComfyUI writes is strict JSON."""
    if found.text is None:
        return None
    try:
        parse_document(found.text)
    except NotADocument:
        return None
    return found.text


def _texts(made: Draft, layout: ProjectLayout, workflow: Path, manifest: Path) -> dict[Path, str]:
    """Return the files' texts."""
    texts = {workflow: made.workflow_text(), manifest: made.manifest_text(layout.show(workflow))}
    if made.form == "template":
        _check_size(texts[workflow])
        texts[base_path(workflow)] = base_of(made).text()
    return texts


def _check_size(template: str) -> None:
    from comfypipe.template.loader import MAX_TEMPLATE_BYTES  # with it comes Jinja

    if len(template.encode()) > MAX_TEMPLATE_BYTES:
        raise ImportFailed(
            f"the prompt is larger than the {MAX_TEMPLATE_BYTES // 2**20} MiB that a template may have",
            hint="bind to an export instead: --bind",
        )


def _remove_other_form(workflow: Path, form: Form) -> None:
    """Remove what a workflow of the same name left that was imported in the other form."""
    stem = workflow.name.removesuffix(".json.j2").removesuffix(".json")
    others = (f"{stem}.json",) if form == "template" else (f"{stem}.json.j2", f"{stem}{BASE_SUFFIX}")
    for each in others:
        workflow.with_name(each).unlink(missing_ok=True)
