"""How simulated classes are described."""

import json
from pathlib import Path

import pytest

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.registry import InputSpec, OutputSpec
from comfypipe.engine.simulation.declarations import catalog_declaration, core_declarations, parse_line
from comfypipe.engine.simulation.registry import simulating_registry
from comfypipe.prompt.object_info import ObjectInfo, parse_node_info


def test_a_line_says_what_a_class_takes_and_gives() -> None:
    """Types, ranges, defaults, choices, what may be left out, names of outputs."""
    found = parse_line("*Paint model:MODEL steps?:INT=20@1..99 file:FILE how:{a,b c} -> LATENT good=IMAGE")
    assert (
        "Paint",
        {
            "model": InputSpec("MODEL"),
            "steps": InputSpec("INT", {"default": 20, "min": 1, "max": 99}, optional=True),
            "file": InputSpec("COMBO", {"options": []}),
            "how": InputSpec(("a", "b c")),
        },
        (OutputSpec("LATENT"), OutputSpec("IMAGE", "good")),
        True,
    ) == (found.class_type, found.inputs, found.outputs, found.output_node)


@pytest.mark.parametrize("line", ["Paint model:MODEL", "Paint model -> LATENT", " -> LATENT"])
def test_what_is_no_line_is_refused(line: str) -> None:
    """A slip in the file shows when it is read."""
    with pytest.raises(ValueError, match="not a declaration"):
        parse_line(line)


def test_core_classes_agree_with_a_real_server(shared: Path) -> None:
    """Names, types, what may be left out, and outputs are ComfyUI's."""
    path = shared / "ui2api" / "object_info.json"
    if not path.is_file():
        pytest.skip("needs the recorded object_info")
    offered = ObjectInfo(json.loads(path.read_bytes()))
    for declaration in core_declarations():
        info = offered[declaration.class_type]
        wanted = {name: (_kind(each.type), not each.required) for name, each in info.inputs.items()}
        found = {name: (_kind(each.type), each.optional) for name, each in declaration.inputs.items()}
        found |= {name: wanted[name] for name in wanted if name not in found and not info.inputs[name].required}
        assert (declaration.class_type, wanted) == (declaration.class_type, found)
        outputs = [(each.type, each.name or each.type) for each in declaration.outputs]
        assert (declaration.class_type, [(each.type, each.name) for each in info.outputs]) == (
            declaration.class_type,
            outputs,
        )
        assert (declaration.class_type, info.output_node) == (declaration.class_type, declaration.output_node)


def test_core_ranges_and_defaults_agree_with_a_real_server(shared: Path) -> None:
    """A number that a server takes is taken here, and the other way round."""
    path = shared / "ui2api" / "object_info.json"
    if not path.is_file():
        pytest.skip("needs the recorded object_info")
    offered = ObjectInfo(json.loads(path.read_bytes()))
    keys = ("default", "min", "max")
    for declaration in core_declarations():
        for name, spec in declaration.inputs.items():
            if spec.type in ("INT", "FLOAT", "BOOLEAN"):
                wanted = {key: offered[declaration.class_type].inputs[name].options.get(key) for key in keys}
                found = {key: spec.options.get(key) for key in keys}
                assert (declaration.class_type, name, wanted) == (declaration.class_type, name, found)


def test_stand_ins_take_no_name_of_a_real_class() -> None:
    """What runs for real is never stood in for."""
    registry = simulating_registry(core_registry())
    assert all(registry[name].function is each.function for name, each in core_registry().items())
    assert not {each.class_type for each in core_declarations()} & set(core_registry())


def test_choices_among_model_files_are_open() -> None:
    """Which files a server has says nothing of this run; other choices are as they were."""
    raw: JSONObject = {
        "input": {"required": {"ckpt_name": [["a.safetensors"]], "none": [[]], "how": [["x", "y"], {"tooltip": "t"}]}},
        "output": ["MODEL"],
        "name": "Load",
    }
    found = catalog_declaration(parse_node_info("Load", raw))
    assert found.info is not None
    wanted: dict[str, JSON] = {
        "ckpt_name": ["COMBO", {"options": ["a.safetensors"]}],
        "none": ["COMBO", {"options": []}],
        "how": [["x", "y"], {"tooltip": "t"}],
    }
    assert wanted == found.info["input"]["required"]


def _kind(kind: object) -> str:
    return kind if isinstance(kind, str) else "COMBO"
