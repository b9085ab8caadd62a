"""What an import knew: the prompt as it came, and which inputs were taken out of it. Updates start from that."""

import json
from dataclasses import dataclass
from pathlib import Path

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import ImportFailed, PromptInvalid
from comfypipe.importing.manifest import Draft, Target
from comfypipe.importing.reading import is_prompt, parse_json
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.rules import TEMPLATE_SUFFIX
from comfypipe.manifest.schema import WorkflowSpec
from comfypipe.prompt.bind import resolve
from comfypipe.template.export import load_export

BASE_SUFFIX = ".import.json"


@dataclass(frozen=True, slots=True)
class Base:
    """
    The state that a workflow was last imported in.

    Attributes:
        prompt: The prompt as it came.
        inputs: By name of an input, where its value stood.
    """

    prompt: JSONObject
    inputs: dict[str, tuple[Target, ...]]

    def text(self) -> str:
        """Return the base as the file that is kept beside a template."""
        places = {name: [list(each) for each in targets] for name, targets in self.inputs.items()}
        return json.dumps({"prompt": self.prompt, "inputs": places}, indent=1) + "\n"


def base_of(made: Draft) -> Base:
    """Return the base that later updates of *made* start from."""
    return Base(made.prompt, {name: each.targets for name, each in made.inputs.items()})


def base_path(workflow: Path) -> Path:
    """Return where the base of a template is kept: beside it, so that whoever has the one has the other."""
    return workflow.with_name(workflow.name.removesuffix(TEMPLATE_SUFFIX) + BASE_SUFFIX)


def load_base(manifest: Manifest, spec: WorkflowSpec, workflow: Path, shown: str) -> Base:
    """
    Return the state that the workflow of *manifest* was last imported in.

    An export is its own base, since nobody edits it; beside a template lies a file of its own.

    Raises:
        ImportFailed: Nothing is known of the last import.
        TemplateError: The export cannot be read.
    """
    if not spec.workflow.endswith(TEMPLATE_SUFFIX):
        prompt = load_export(workflow, shown).document
        return Base(prompt, {name: resolve_all(prompt, each.targets) for name, each in spec.inputs.items()})
    path = base_path(workflow)
    try:
        document = parse_json(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ImportFailed(
            f"nothing is known of the last import of {manifest.name}: {path.name} is missing or damaged",
            hint="restore it, or replace workflow and manifest with `comfypipe import FILE --name NAME --force`",
        ) from error
    return _parse(document, path)


def _parse(document: JSON, path: Path) -> Base:
    held = document if isinstance(document, dict) else {}
    prompt, inputs = held.get("prompt", {}), held.get("inputs")
    if not is_prompt(prompt) or not isinstance(inputs, dict):
        raise ImportFailed(f"{path.name} is damaged: it should hold a prompt and inputs", hint="restore it")
    places = {
        name: tuple((str(each[0]), str(each[1])) for each in targets if isinstance(each, list) and len(each) == 2)
        for name, targets in inputs.items()
        if isinstance(targets, list)
    }
    return Base(prompt, places)


def resolve_all(prompt: JSONObject, references: tuple[str, ...]) -> tuple[Target, ...]:
    """Return the inputs of *prompt* that a manifest binds to; references that lead nowhere are left out."""
    found: list[Target] = []
    for each in references:
        try:
            node_id, input_name = resolve(prompt, each)
        except PromptInvalid:  # what is wrong already is not the update's to judge: `validate` names it
            continue
        found.append((node_id, input_name))
    return tuple(found)
