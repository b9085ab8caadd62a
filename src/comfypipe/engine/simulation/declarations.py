"""How the classes are described that the engine simulates: a line each in ``core.txt``, or a server's catalog."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.registry import InputSpec, OutputSpec
from comfypipe.prompt.object_info import NodeInfo

MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pt2", ".pth", ".bin", ".gguf", ".onnx", ".pkl")
"""What names of model files end with."""

_FILE_INPUT = re.compile(r"(ckpt|vae|lora|unet|clip|control_net|style_model|gligen|hypernetwork)_name\d*")
"""Inputs that list model files, also where a server has none but a few of its own."""

_TOKEN = re.compile(
    r"(?P<name>\w+)(?P<optional>\?)?:(?P<type>\w+|\{[^}]*\})(?:=(?P<default>[^@\s]*))?(?:@(?P<range>\S+))?"
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """
    What a class takes and gives.

    Attributes:
        info: The entry of a server's ``object_info`` that says so; None for those of ``core.txt``.
    """

    class_type: str
    inputs: Mapping[str, InputSpec]
    outputs: tuple[OutputSpec, ...]
    output_node: bool = False
    input_is_list: bool = False
    category: str = "simulated"
    info: JSONObject | None = None


def core_declarations() -> Iterator[Declaration]:
    """Yield the classes of ComfyUI's core that need a model."""
    text = (files("comfypipe.engine.simulation") / "core.txt").read_text(encoding="utf-8")
    return (parse_line(line) for line in text.splitlines() if line and not line.startswith("#"))


def parse_line(line: str) -> Declaration:
    """
    Read a line of ``core.txt``.

    Raises:
        ValueError: It is none.
    """
    head, arrow, tail = line.partition("->")
    class_type, _, taken = head.strip().lstrip("*").partition(" ")
    tokens = list(_TOKEN.finditer(taken))
    if not arrow or not class_type or _TOKEN.sub("", taken).strip():
        raise ValueError(f"not a declaration: {line}")
    inputs = {each["name"]: _input(each) for each in tokens}
    given = (each.rpartition("=") for each in tail.split())
    outputs = tuple(OutputSpec(kind, name) for name, _, kind in given)
    return Declaration(class_type, inputs, outputs, head.startswith("*"))


def _input(token: "re.Match[str]") -> InputSpec:
    kind, optional = token["type"], token["optional"] is not None
    if kind.startswith("{"):
        choices = tuple(each.strip().strip('"') for each in kind[1:-1].split(","))
        return InputSpec(choices, {}, optional=optional)
    if kind in ("FILE", "CHOICE"):  # a server's own list is not known here: any text will do
        return InputSpec("COMBO", {"options": []}, optional=optional)
    options: dict[str, JSON] = {}
    if token["default"] is not None:
        options["default"] = token["default"] if kind == "STRING" else json.loads(token["default"])
    if token["range"]:
        low, high = token["range"].split("..")
        options |= {"min": json.loads(low), "max": json.loads(high)}
    return InputSpec(kind, options, optional=optional)


def catalog_declaration(info: NodeInfo) -> Declaration:
    """
    Return what a server's catalog says of a class.

    Choices among files are taken out: which files that server has says nothing about this run.
    """
    raw = _without_files(info.raw)
    declared = _object(raw.get("input"))
    inputs = {
        name: _from_catalog(spec, optional=group == "optional")
        for group in ("required", "optional")
        for name, spec in _object(declared.get(group)).items()
    }
    outputs = tuple(
        OutputSpec("*" if _varies(each.type) else each.type, each.name, each.is_list) for each in info.outputs
    )
    return Declaration(
        info.class_type,
        inputs,
        outputs,
        info.output_node,
        info.input_is_list,
        info.category,
        {**raw, "output": [each.type for each in outputs]},
    )


def _varies(kind: object) -> bool:
    """Tell whether a type stands for others: for what is linked, or for several inputs."""
    return isinstance(kind, str) and kind.startswith("COMFY_") and kind.endswith("_V3")


def _without_files(raw: JSONObject) -> JSONObject:
    groups: JSONObject = {"required": {}, "optional": {}}
    for group, inputs in _object(raw.get("input")).items():
        if group not in ("required", "optional"):
            groups[group] = inputs
            continue
        for name, spec in _object(inputs).items():
            # What a type of varying shape takes stands under names that are not declared, such as "values.a".
            varies = isinstance(spec, list) and bool(spec) and _varies(spec[0])
            groups["optional" if varies else group][name] = ["*"] if varies else _open(name, spec)
    return {**raw, "input": groups}


def _open(name: str, spec: JSON) -> JSON:
    if not (isinstance(spec, list) and spec and isinstance(spec[0], list)):
        return spec
    of_files = not spec[0] or _FILE_INPUT.fullmatch(name) or any(is_model_file(str(each)) for each in spec[0])
    return ["COMBO", {**_object(spec[1] if len(spec) > 1 else None), "options": spec[0]}] if of_files else spec


def is_model_file(name: str) -> bool:
    """Tell whether a name is that of a model file."""
    return name.lower().endswith(MODEL_SUFFIXES)


def _from_catalog(spec: JSON, *, optional: bool) -> InputSpec:
    kind = spec[0] if isinstance(spec, list) and spec else spec
    options = _object(spec[1]) if isinstance(spec, list) and len(spec) > 1 else {}
    return InputSpec(tuple(kind) if isinstance(kind, list) else str(kind), options, optional=optional)


def _object(value: Any) -> JSONObject:
    return value if isinstance(value, dict) else {}
