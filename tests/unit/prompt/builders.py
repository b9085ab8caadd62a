"""Small prompts, and a small server's ``object_info``, for the tests of this folder."""

from comfypipe._types import JSON, JSONObject
from comfypipe.prompt.graph import PromptGraph
from comfypipe.prompt.object_info import ObjectInfo


def node_class(
    required: JSONObject | None = None,
    optional: JSONObject | None = None,
    output: tuple[JSON, ...] = (),
    output_node: bool = False,
) -> JSONObject:
    """Return one entry of ``/object_info``."""
    return {
        "input": {"required": required or {}, "optional": optional or {}},
        "output": list(output),
        "output_is_list": [False for _ in output],
        "output_name": list(output),
        "display_name": None,
        "category": "test",
        "output_node": output_node,
    }


INT = ["INT", {"default": 8, "min": 1, "max": 64}]

CLASSES: JSONObject = {
    "Make": node_class({"width": INT}, {"label": ["STRING", {}], "flag": ["BOOLEAN"]}, ("IMAGE", "MASK")),
    "Scale": node_class(
        {"image": ["IMAGE"], "method": [["near", "far"], {}], "by": ["FLOAT", {"min": 0.5, "max": 2.0}]},
        {"mask": ["MASK"]},
        ("IMAGE",),
    ),
    "Load": node_class({"image": [["a.png"], {"image_upload": True}]}, output=("IMAGE",)),
    "Mode": node_class({"image": ["IMAGE"], "mode": ["COMBO", {"options": ["x", "y"]}]}, output=("IMAGE",)),
    "Any": node_class({"value": ["*"]}, output=("*",)),
    "Number": node_class({"value": ["INT,FLOAT", {}]}, output=("FLOAT",)),
    "Save": node_class({"images": ["IMAGE", {"tooltip": "kept"}], "prefix": ["STRING"]}, output_node=True),
}


def offered(**classes: JSONObject) -> ObjectInfo:
    """Return the classes above, and *classes*."""
    return ObjectInfo({**CLASSES, **classes})


def prompt(**nodes: tuple[str, JSONObject]) -> PromptGraph:
    """Return a prompt; a node's id is the keyword without its first letter."""
    return PromptGraph.parse(
        {name[1:]: {"class_type": class_type, "inputs": inputs} for name, (class_type, inputs) in nodes.items()}
    )


def good_prompt(**changed: JSON) -> PromptGraph:
    """Return Make → Scale → Save, with inputs of Scale *changed*; None removes one."""
    scale = {"image": ["1", 0], "method": "near", "by": 1.0, **changed}
    kept = {name: value for name, value in scale.items() if value is not None}
    return prompt(n1=("Make", {"width": 8}), n2=("Scale", kept), n3=("Save", {"images": ["2", 0], "prefix": "out"}))
