"""A manifest that is useful as it is: inputs, outputs and requirements inferred from a prompt."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.fields import Field, Kind, fields
from comfypipe.importing.knobs import Knob
from comfypipe.importing.naming import Names, Taken
from comfypipe.importing.outputs import outputs
from comfypipe.importing.prompt_parts import readable
from comfypipe.importing.requirements import custom_nodes, models
from comfypipe.importing.template_text import prompt_text, template_text
from comfypipe.importing.ui_graph import UIGraph
from comfypipe.importing.yaml_text import yaml_text
from comfypipe.manifest.schema import API_VERSION
from comfypipe.prompt.object_info import ObjectInfo

Form: TypeAlias = Literal["bind", "template"]
"""How values get into the prompt: bound to an untouched export, or written into a template."""

Target: TypeAlias = tuple[str, str]
"""A node of the prompt and one of its inputs."""

_PROPOSED = (Kind.PROMPT, Kind.SEED, Kind.SIZE, Kind.STEPS, Kind.FILE, Kind.KNOB)


@dataclass(frozen=True, slots=True)
class Candidate:
    """
    A value that can become an input.

    Attributes:
        name: What it would be called.
        spec: Type, default and limits, as a manifest writes them.
        targets: Where it stands in the prompt; several where the graph shows it once for them.
        value: What stands there.
        bind: How a manifest names those places in an untouched export.
        proposed: Whether it becomes an input when nothing else is said.
        where: Title and class of the node, for people.
    """

    name: str
    spec: JSONObject
    targets: tuple[Target, ...]
    value: JSON
    bind: tuple[str, ...]
    proposed: bool
    where: str


@dataclass(frozen=True, slots=True)
class Source:
    """
    What a workflow is made of.

    Attributes:
        prompt: In API format.
        graph: The UI graph that it came from, for what only that says.
        object_info: Declarations of the node classes.
        knobs: Values that the graph shows once for several inputs.
    """

    prompt: JSONObject
    graph: UIGraph | None = None
    object_info: ObjectInfo | None = None
    knobs: Mapping[tuple[str, str], Knob] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """
    A workflow and its manifest, not yet written.

    Attributes:
        inputs: By name, the candidates that became inputs.
        exported: Text of the export, where it is to stay untouched.
    """

    name: str
    form: Form
    description: str
    prompt: JSONObject
    inputs: Mapping[str, Candidate]
    outputs: Mapping[str, JSONObject]
    models: tuple[JSONObject, ...]
    custom_nodes: tuple[JSONObject, ...]
    exported: str | None = None

    @property
    def suffix(self) -> str:
        """Suffix of the workflow's file."""
        return ".json.j2" if self.form == "template" else ".json"

    def workflow_text(self) -> str:
        """Return the workflow's file."""
        if self.form == "bind":
            return prompt_text(self.prompt) if self.exported is None else self.exported
        optional = {name: each.value for name, each in self.inputs.items() if each.spec.get("required") is False}
        return template_text(self.prompt, self.targets(), optional)

    def targets(self) -> dict[Target, str]:
        """Return the name of the input at each place of the prompt that has one."""
        return {target: name for name, each in self.inputs.items() for target in each.targets}

    def document(self, workflow: str) -> JSONObject:
        """
        Return the manifest as JSON values.

        Args:
            workflow: Path of the workflow's file in the project.
        """
        document: JSONObject = {
            "apiVersion": API_VERSION,
            "kind": "Workflow",
            "name": self.name,
            "description": self.description,
            "workflow": workflow,
            "inputs": {name: self.input_spec(each) for name, each in self.inputs.items()},
            "models": list(self.models),
            "custom_nodes": list(self.custom_nodes),
            "outputs": dict(self.outputs),
        }
        return {name: value for name, value in document.items() if value not in ({}, [], "")}

    def input_spec(self, candidate: Candidate) -> JSONObject:
        """Return what the manifest says of an input."""
        if self.form == "template":
            return candidate.spec
        return {**candidate.spec, "bind": candidate.bind[0] if len(candidate.bind) == 1 else list(candidate.bind)}

    def manifest_text(self, workflow: str) -> str:
        """Return the manifest's file."""
        return _HEADER.format(name=self.name) + yaml_text(self.document(workflow))


_HEADER = (
    "# Yours to edit: `comfypipe import --update {name} FILE` brings in a newer save and keeps what you changed.\n"
)


def candidates(source: Source) -> tuple[Candidate, ...]:
    """
    Return all values that can become inputs, named; prompts first, then seeds, sizes, steps, files.

    What the author of the graph exposed as its own inputs (the editor's app mode) comes before all else.
    """
    found = list(fields(source.prompt, source.object_info))
    knobs = {target: knob for knob in source.knobs.values() for target in knob.targets}
    exposed = _exposed(source)
    chosen = [each for each in found if _is_proposed(each, exposed)]
    count = _count_per_node(chosen)
    names = Names(source.prompt, source.object_info)
    taken = Taken()
    made: list[Candidate] = []
    done: set[Target] = set()
    for each in sorted(found, key=lambda each: _rank(each, exposed)):
        target = (each.node_id, each.input_name)
        if target in done:
            continue
        knob = knobs.get(target)
        name = taken.unique(names.of_field(each, knob, alone=count.get(each.node_id, 0) <= 1))
        targets = (target,) if knob is None else tuple(dict.fromkeys((target, *knob.targets)))
        done.update(targets)
        where = readable(f"{names.title(each.node_id) or each.class_type} ({each.class_type})")
        bind = tuple(names.reference(*place) for place in targets)
        made.append(Candidate(name, each.spec, targets, each.value, bind, _is_proposed(each, exposed), where))
    return tuple(made)


def _rank(each: Field, exposed: Mapping[Target, int]) -> tuple[int, int]:
    place = exposed.get((each.node_id, each.input_name))
    return (-1, place) if place is not None else (each.kind, 0)


def _is_proposed(each: Field, exposed: Mapping[Target, int]) -> bool:
    return each.kind in _PROPOSED or (each.node_id, each.input_name) in exposed


def _count_per_node(chosen: Sequence[Field]) -> dict[str, int]:
    count: dict[str, int] = {}
    for each in chosen:
        count[each.node_id] = count.get(each.node_id, 0) + 1
    return count


def _exposed(source: Source) -> dict[Target, int]:
    """Return the inputs that the graph's author chose for the editor's app mode, with their place in the list."""
    data = source.graph.extra.get("linearData") if source.graph is not None else None
    listed = data.get("inputs") if isinstance(data, dict) else None
    found: dict[Target, int] = {}
    for at, each in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(each, list) and len(each) >= 2:
            knob = source.knobs.get((str(each[0]), str(each[1])))
            targets = ((str(each[0]), str(each[1])),) if knob is None else knob.targets
            for target in targets:
                found.setdefault(target, at)
    return found


def draft(
    source: Source,
    name: str,
    *,
    form: Form = "bind",
    chosen: Collection[str] | None = None,
    everything: bool = False,
    description: str = "",
    exported: str | None = None,
) -> Draft:
    """
    Return the workflow and manifest that *source* makes.

    Args:
        chosen: Names of the candidates that become inputs; those that are proposed by default.
        everything: All candidates become inputs.
        exported: Text of the export that *source* was read from, kept as it is where values are bound.
    """
    offered = candidates(source)
    kept = {each.name: each for each in offered if _is_kept(each, chosen, everything=everything)}
    names = Names(source.prompt, source.object_info)
    taken = Taken()
    saved: dict[str, JSONObject] = {}
    for node_id, kind in outputs(source.prompt, source.object_info):
        saved[taken.unique(names.of_output(node_id, kind))] = {"type": kind, "node": node_id}
    return Draft(
        name=name,
        form=form,
        description=description,
        prompt=source.prompt,
        inputs=kept,
        outputs=saved,
        models=models(source.prompt, source.graph),
        custom_nodes=custom_nodes(source.prompt, source.graph, source.object_info),
        exported=exported,
    )


def _is_kept(each: Candidate, chosen: Collection[str] | None, *, everything: bool) -> bool:
    if chosen is not None:
        return each.name in chosen
    return everything or each.proposed


def renamed(made: Draft, names: Mapping[str, str]) -> Draft:
    """Return a draft whose inputs have other names: by present name, the new one."""
    inputs = {names.get(name, name): replace(each, name=names.get(name, name)) for name, each in made.inputs.items()}
    return replace(made, inputs=inputs)
