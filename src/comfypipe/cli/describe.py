"""A manifest in words: what ``list`` and ``show`` print."""

import json
from collections.abc import Iterable, Sequence

import msgspec

from comfypipe._types import JSONObject
from comfypipe.cli.console import columns
from comfypipe.manifest.load import Manifest
from comfypipe.manifest.schema import InputSpec, ListInput, ModelSpec, PipelineSpec, StepSpec, WorkflowSpec

LIMITS = {
    "min_length": "at least {} characters",
    "max_length": "at most {} characters",
    "pattern": "matches {}",
    "minimum": "from {}",
    "maximum": "to {}",
    "multiple_of": "multiple of {}",
    "min_items": "at least {} of them",
    "max_items": "at most {}",
    "choices": "one of {}",
    "folder": "in models/{}",
}


def describe(manifest: Manifest) -> str:
    """Return the manifest as a page of text."""
    spec = manifest.spec
    sections = [
        f"{manifest.name}  {spec.kind}  {manifest.shown}" + (f"\n{spec.description}" if spec.description else ""),
        _section("Inputs", [_input_row(name, each) for name, each in spec.inputs.items()]),
        _section("Presets", [(name, _pairs(values)) for name, values in spec.presets.items()]),
        *(_pipeline(spec) if isinstance(spec, PipelineSpec) else _workflow(spec)),
    ]
    return "\n\n".join(filter(None, sections))


def to_json(manifest: Manifest) -> JSONObject:
    """Return the manifest as JSON: what was written, with the defaults filled in."""
    document: JSONObject = msgspec.to_builtins(manifest.spec)
    return document | {"name": manifest.name, "kind": manifest.spec.kind, "path": manifest.shown}


def type_name(spec: InputSpec) -> str:
    """Return the type of an input in words."""
    return f"list of {type_name(spec.items)}" if isinstance(spec, ListInput) else spec.type


def _workflow(spec: WorkflowSpec) -> list[str]:
    needs = [("accelerator", ", ".join(spec.accelerator))] if spec.accelerator else []
    limits = [("attempts", str(spec.retry.attempts)), ("timeout", f"{spec.timeout_s:g} s")]
    return [
        _section("Models", [_model_row(each) for each in spec.models]),
        _section("Files", list(spec.files.items())),
        _section("Custom nodes", [(each.id, each.version or "") for each in spec.custom_nodes]),
        _section("Runs", [("workflow", spec.workflow), *needs, *limits]),
        _section("Outputs", [(name, each.type, f"node {each.node}") for name, each in spec.outputs.items()]),
    ]


def _pipeline(spec: PipelineSpec) -> list[str]:
    return [
        _section("Steps", [_step_row(each) for each in spec.steps]),
        _section("Outputs", list(spec.outputs.items())),
    ]


def _section(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = columns(rows).splitlines()
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _input_row(name: str, spec: InputSpec) -> tuple[str, str, str, str]:
    default = "required" if spec.required else "optional"
    if spec.type == "seed":
        default = "drawn"
    if spec.default is not None:
        default = _short(json.dumps(msgspec.to_builtins(spec.default), ensure_ascii=False))
    notes = [spec.description, *_limits(spec)]
    return name, type_name(spec), default, "; ".join(filter(None, notes))


def _limits(spec: InputSpec) -> Iterable[str]:
    for key, words in LIMITS.items():
        value = getattr(spec, key, None)
        if value is not None:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
            yield words.format(shown)


def _model_row(spec: ModelSpec) -> tuple[str, str, str]:
    return spec.path, spec.license or "", spec.url or ""


def _step_row(spec: StepSpec) -> tuple[str, str, str]:
    notes = [
        f"for each {_short(str(spec.for_each))}" if spec.for_each is not None else "",
        f"when {spec.when}" if spec.when is not None else "",
        f"on {spec.backend}" if spec.backend else "",
    ]
    return spec.id, spec.workflow, ", ".join(filter(None, notes))


def _pairs(values: JSONObject) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _short(text: str, length: int = 44) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
