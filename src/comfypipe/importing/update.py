"""A newer save of a workflow that was imported before: what it changes comes in, what the author changed stays."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed, PromptInvalid, UsageError
from comfypipe.importing.base import Base, base_path, load_base, resolve_all
from comfypipe.importing.changes import Changes, ValueChange
from comfypipe.importing.imports import load_source, usable_text
from comfypipe.importing.manifest import Candidate, Draft, Form, Source, Target, candidates, draft
from comfypipe.importing.merge import merge
from comfypipe.importing.naming import Names, Taken
from comfypipe.importing.prompt_diff import diff_prompts, match_nodes
from comfypipe.importing.prompt_parts import inputs_of
from comfypipe.importing.reading import read_workflow
from comfypipe.importing.template_text import template_text
from comfypipe.importing.write import check_inside, check_name, find_manifest, write_files
from comfypipe.importing.yaml_edit import YamlText
from comfypipe.manifest.coerce import BadValue, coerce
from comfypipe.manifest.load import Manifest, load_manifest, parse_manifest
from comfypipe.manifest.rules import TEMPLATE_SUFFIX
from comfypipe.manifest.schema import InputSpec, WorkflowSpec
from comfypipe.manifest.values import FileValue
from comfypipe.project import ProjectLayout
from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo


@dataclass(frozen=True, slots=True)
class Updated:
    """
    What an update made.

    Attributes:
        changes: What is other than before; false when nothing is.
        unknown: Class types that the catalog does not have.
        warnings: What could not be taken over, one line each.
    """

    workflow: Path
    manifest: Path
    changes: Changes
    unknown: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def update_workflow(
    path: Path, layout: ProjectLayout, name: str, *, object_info: ObjectInfo | None = None, force: bool = False
) -> Updated:
    """
    Bring a newer save, the file *path*, into the workflow *name*.

    Values, inputs, outputs, models and custom nodes that the author of the manifest left as they were imported follow
    the save; all else in the manifest stays, comments included. Where author and save changed the same lines of a
    template, the author's stay, and *force* is needed to write the rest.

    Raises:
        UsageError: There is no such workflow.
        ManifestInvalid: Its manifest cannot be used as it is.
        ImportFailed: The file holds no workflow, or nothing is known of the last import, or lines of the template are
            in the way.
    """
    check_name(name)
    manifest_path = find_manifest(layout, name)
    if manifest_path is None:
        raise UsageError(f'there is no manifest of "{name}" to update', hint="without --update it is imported anew")
    manifest = load_manifest(manifest_path, layout.show(manifest_path))
    spec = manifest.spec
    if not isinstance(spec, WorkflowSpec):
        raise UsageError(f"{name} is a pipeline: only workflows are imported")
    workflow = layout.root / spec.workflow
    check_inside(layout, (manifest_path, workflow))
    found = read_workflow(path)
    source, converted = load_source(found, object_info)
    base = load_base(manifest, spec, workflow, layout.show(workflow))
    update = _Update(manifest, spec, base, source, usable_text(found))
    texts = update.texts(manifest_path, workflow, force=force)
    parse_manifest(texts[manifest_path], manifest_path, layout.show(manifest_path))
    if update.changes:
        write_files(texts)
    return Updated(workflow, manifest_path, update.changes, converted.unknown, converted.warnings)


class _Update:
    """Works out what becomes of a manifest and its workflow."""

    def __init__(
        self, manifest: Manifest, spec: WorkflowSpec, base: Base, source: Source, exported: str | None
    ) -> None:
        self._spec = spec
        self._base = base
        self._source = source
        self._pairs = match_nodes(base.prompt, source.prompt)
        self._text = manifest.path.read_text("utf-8-sig")
        self._yaml = YamlText(self._text)
        self._is_template = spec.workflow.endswith(TEMPLATE_SUFFIX)
        self._former = draft(Source(base.prompt, None, source.object_info), manifest.name)
        form: Form = "template" if self._is_template else "bind"
        self._new: Draft = draft(source, manifest.name, form=form, exported=exported)
        self.changes = Changes(diff_prompts(base.prompt, source.prompt))

    def texts(self, manifest_path: Path, workflow: Path, *, force: bool) -> dict[Path, str]:
        """Return what is to be written."""
        inputs = self._inputs()
        self._outputs()
        self._listed("models", "path", self._former.models, self._new.models)
        self._listed("custom_nodes", "id", self._former.custom_nodes, self._new.custom_nodes)
        texts = {manifest_path: self._yaml.text()}
        if not self._is_template:
            return {workflow: self._new.workflow_text(), **texts}
        texts[workflow] = self._template(workflow, inputs, force=force)
        places = {name: each.targets for name, each in inputs.items()}
        return {**texts, base_path(workflow): Base(self._source.prompt, places).text()}

    # Inputs

    def _inputs(self) -> dict[str, Candidate]:
        """Bring the inputs up to date; returns where each stands in the new prompt."""
        offered = {target: each for each in candidates(self._source) for target in each.targets}
        kept: dict[str, Candidate] = {}
        for name, targets in self._base.inputs.items():
            places = self._places(targets)
            if name not in self._spec.inputs:
                if places:  # the author took it out of the manifest, but a template may still have its place
                    kept[name] = self._candidate(name, places, offered)
            elif targets and not places:
                self._yaml.remove(("inputs", name))
                self.changes.remove("inputs", name)
            elif places:
                kept[name] = self._candidate(name, places, offered)
                self._follow(name, self._spec.inputs[name], targets, places)
        taken = Taken((*self._spec.inputs, *kept))
        covered = {target for each in kept.values() for target in each.targets}
        for each in self._new.inputs.values():
            if not covered.intersection(each.targets) and not any(self._was_there(target) for target in each.targets):
                name = taken.unique(each.name)
                kept[name] = replace(each, name=name)
                self._yaml.add(("inputs",), name, self._new.input_spec(each))
                self.changes.add("inputs", name)
        return kept

    def _places(self, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """Return where values stand in the new prompt that stood at *targets* in the old one."""
        found = ((self._pairs[node_id], name) for node_id, name in targets if node_id in self._pairs)
        return tuple(each for each in found if not isinstance(self._value(self._source.prompt, each), list | None))

    def _was_there(self, target: Target) -> bool:
        former = next((old for old, new in self._pairs.items() if new == target[0]), None)
        return former is not None and not isinstance(self._value(self._base.prompt, (former, target[1])), list | None)

    def _value(self, prompt: JSONObject, target: Target) -> JSON:
        return inputs_of(prompt.get(target[0])).get(target[1], [])

    def _candidate(self, name: str, places: tuple[Target, ...], offered: Mapping[Target, Candidate]) -> Candidate:
        names = Names(self._source.prompt, self._source.object_info)
        bind = tuple(names.reference(*each) for each in places)
        value = self._value(self._source.prompt, places[0])
        spec = offered[places[0]].spec if places[0] in offered else {}
        return Candidate(name, spec, places, value, bind, proposed=True, where="")

    def _follow(self, name: str, spec: InputSpec, targets: tuple[Target, ...], places: tuple[Target, ...]) -> None:
        """Let an input's default, and the places that it is bound to, follow the save."""
        before, after = self._value(self._base.prompt, targets[0]), self._value(self._source.prompt, places[0])
        if spec.default is not None and before != after:
            if spec.default == before and _fits(spec, after):
                self._yaml.replace(("inputs", name, "default"), after)
                self.changes.defaults.append(ValueChange(name, before, after))
            elif spec.default != after:
                self.changes.kept.append(ValueChange(name, spec.default, after))
        if not self._is_template:
            self._rebind(name, spec, places)

    def _rebind(self, name: str, spec: InputSpec, places: tuple[Target, ...]) -> None:
        if resolve_all(self._source.prompt, spec.targets) != places:
            names = Names(self._source.prompt, self._source.object_info)
            bind = [names.reference(*each) for each in places]
            self._yaml.replace(("inputs", name, "bind"), bind[0] if len(bind) == 1 else bind)

    # Outputs and requirements

    def _outputs(self) -> None:
        former = {entry["node"] for entry in self._former.outputs.values()}
        ids = {each.node: self._node_id(each.node) for each in self._spec.outputs.values()}
        for name, each in self._spec.outputs.items():
            old = ids[each.node]
            if old is None:
                continue
            new = self._pairs.get(old)
            if new is None:
                self._yaml.remove(("outputs", name))
                self.changes.remove("outputs", name)
            elif new != old and each.node == old:
                self._yaml.replace(("outputs", name, "node"), new)
        known = {self._pairs.get(each) for each in former}
        taken = Taken(self._spec.outputs)
        for name, entry in self._new.outputs.items():
            if entry["node"] not in known and self._spec.outputs:
                free = taken.unique(name)
                self._yaml.add(("outputs",), free, entry)
                self.changes.add("outputs", free)

    def _node_id(self, reference: str) -> str | None:
        try:
            return PromptGraph.parse(self._base.prompt).find(reference).id
        except PromptInvalid:
            return None

    def _listed(self, kind: str, key: str, former: tuple[JSONObject, ...], new: tuple[JSONObject, ...]) -> None:
        """Bring a list of requirements up to date: what neither save needs is the author's own."""
        held = [getattr(each, key) for each in getattr(self._spec, kind)]
        before, after = ({each[key]: each for each in entries} for entries in (former, new))
        for at, name in enumerate(held):
            if name in before and name not in after:
                self._yaml.remove((kind, at))
                self.changes.remove(kind, name)
        for name, entry in after.items():
            if name not in before and name not in held:
                self._yaml.append((kind,), entry)
                self.changes.add(kind, name)

    # The template

    def _template(self, workflow: Path, inputs: Mapping[str, Candidate], *, force: bool) -> str:
        """Return the template with what the save changed in it."""
        former = {
            name: Candidate(name, {}, targets, self._value(self._base.prompt, targets[0]), (), proposed=True, where="")
            for name, targets in self._base.inputs.items()
            if targets
        }
        optional = {name for name, spec in self._spec.inputs.items() if not spec.required and spec.default is None}
        base = _with_inputs(self._base.prompt, former, optional)
        theirs = _with_inputs(self._source.prompt, inputs, optional | _optional(self._new))
        merged, conflicts = merge(base, workflow.read_text("utf-8-sig"), theirs)
        self.changes.conflicts.extend(f"{workflow.name}:{each.line}" for each in conflicts)
        if conflicts and not force:
            raise ImportFailed(
                f"the save changes lines of {workflow.name} that you changed, too: "
                + ", ".join(str(each.line) for each in conflicts[:10]),
                hint="--force keeps yours there and brings in the rest; then compare with the new save by hand",
            )
        return merged


def _optional(made: Draft) -> set[str]:
    return {name for name, each in made.inputs.items() if each.spec.get("required") is False}


def _with_inputs(prompt: JSONObject, inputs: Mapping[str, Candidate], optional: set[str]) -> str:
    targets = {target: name for name, each in inputs.items() for target in each.targets}
    return template_text(prompt, targets, {name: inputs[name].value for name in optional if name in inputs})


def _fits(spec: InputSpec, value: JSON) -> bool:
    try:
        coerce(spec, value, lambda given, media: FileValue(str(given), media), text=False)
    except BadValue:
        return False
    return True
