"""Small UI graphs, written by hand, and a small catalog that they are converted against."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.convert import Conversion, to_prompt
from comfypipe.importing.ui_graph import parse_ui_graph
from comfypipe.prompt.object_info import ObjectInfo

NOON = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001  the editor's clock is local, too


def a_class(
    required: Mapping[str, JSON] | None = None,
    optional: Mapping[str, JSON] | None = None,
    outputs: Sequence[str] = (),
    **more: JSON,
) -> JSONObject:
    """Return an entry of ``/object_info``."""
    return {
        "input": {"required": dict(required or {}), "optional": dict(optional or {})},
        "output": list(outputs),
        "output_node": not outputs,
        **more,
    }


CATALOG: JSONObject = {
    "Checkpoint": a_class({"name": [["a.safetensors", "b.safetensors"], {}]}, outputs=("MODEL", "CLIP", "VAE")),
    "Encode": a_class(
        {"text": ["STRING", {"multiline": True, "dynamicPrompts": True}], "clip": ["CLIP", {}]},
        outputs=("CONDITIONING",),
        display_name="Encode Text",
    ),
    "Plain": a_class({"text": ["STRING", {"default": "nothing"}]}, outputs=("STRING",)),
    "Blank": a_class({"width": ["INT", {"default": 512}], "height": ["INT", {"default": 512}]}, outputs=("LATENT",)),
    "Sample": a_class(
        {
            "model": ["MODEL", {}],
            "positive": ["CONDITIONING", {}],
            "latent": ["LATENT", {}],
            "seed": ["INT", {"default": 0}],
            "steps": ["INT", {"default": 20}],
            "sampler": [["euler", "ddim"], {}],
        },
        {"mask": ["MASK", {}]},
        outputs=("LATENT",),
    ),
    "Decode": a_class({"samples": ["LATENT", {}], "vae": ["VAE", {}]}, outputs=("IMAGE",)),
    "Blend": a_class(
        {"one": ["IMAGE", {}], "mask": ["MASK", {}], "two": ["IMAGE", {}], "factor": ["FLOAT", {"default": 0.5}]},
        outputs=("IMAGE", "MASK"),
    ),
    "Anything": a_class({"value": ["*", {}]}, outputs=("*",)),
    "SaveImage": a_class({"images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "ComfyUI"}]}),
}


def a_node(
    node_id: JSON,
    kind: str,
    values: JSON = None,
    links: Mapping[str, tuple[JSON, int]] | None = None,
    *,
    widgets: Sequence[str] = (),
    types: Mapping[str, str] | None = None,
    outputs: Sequence[str] = (),
    **more: JSON,
) -> JSONObject:
    """
    Return a node of a UI graph, its links still written as ``{input: (origin, slot)}``.

    Args:
        widgets: Which of the linked inputs stand for widgets.
        types: Types of the slots, where they matter.
    """
    return {
        "id": node_id,
        "type": kind,
        "widgets_values": values if values is not None else [],
        "links": dict(links or {}),
        "widgets": tuple(widgets),
        "types": dict(types or {}),
        "outputs": [{"name": each, "type": each} for each in outputs],
        **more,
    }


def a_scope(
    *nodes: JSONObject, inputs: Sequence[str] = (), outputs: Mapping[str, tuple[JSON, int]] | None = None
) -> JSONObject:
    """
    Return nodes and links as the editor saves them.

    Args:
        inputs: Names of a subgraph's inputs; a node links to one by the origin -10.
        outputs: By name of a subgraph's output, what is linked to it.
    """
    saved: list[JSONObject] = []
    links: list[list[JSON]] = []
    for node in nodes:
        slots: list[JSONObject] = []
        for at, (name, (origin, slot)) in enumerate(node["links"].items()):
            links.append([len(links) + 1, origin, slot, node["id"], at, node["types"].get(name, "*")])
            entry: JSONObject = {"name": name, "type": node["types"].get(name, "*"), "link": len(links)}
            slots.append({**entry, "widget": {"name": name}} if name in node["widgets"] else entry)
        rest = {key: value for key, value in node.items() if key not in ("links", "widgets", "types")}
        saved.append({**rest, "inputs": [*slots, *rest.get("inputs", [])]})
    border: list[JSONObject] = [{"id": f"in-{each}", "name": each, "type": "*"} for each in inputs]
    ends: list[JSONObject] = []
    for at, (name, (origin, slot)) in enumerate((outputs or {}).items()):
        links.append([len(links) + 1, origin, slot, -20, at, "*"])
        ends.append({"id": f"out-{name}", "name": name, "type": "*", "linkIds": [len(links)]})
    for at, each in enumerate(border):
        each["linkIds"] = [link[0] for link in links if str(link[1]) == "-10" and link[2] == at]
    return {"nodes": saved, "links": links, "inputs": border, "outputs": ends}


def a_subgraph(subgraph_id: str, scope: JSONObject, name: str = "Inner") -> JSONObject:
    """Return the definition of a subgraph, with links as objects, as the editor writes them there."""
    fields = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [dict(zip(fields, each, strict=True)) for each in scope["links"]]
    return {"id": subgraph_id, "name": name, **scope, "links": links}


def a_graph(*nodes: JSONObject, subgraphs: Sequence[JSONObject] = (), extra: JSONObject | None = None) -> JSONObject:
    """Return a whole UI graph."""
    scope = a_scope(*nodes)
    return {
        "version": 0.4,
        "nodes": scope["nodes"],
        "links": scope["links"],
        "definitions": {"subgraphs": list(subgraphs)},
        "extra": extra or {},
    }


def convert(graph: JSONObject, catalog: JSONObject | None = None) -> Conversion:
    """Convert *graph*: the first of every choice, at a fixed moment."""
    info = ObjectInfo(CATALOG if catalog is None else catalog)
    return to_prompt(parse_ui_graph(graph), info, choose=lambda _: 0, now=NOON)


def inputs_of(graph: JSONObject, catalog: JSONObject | None = None) -> dict[str, JSONObject]:
    """Return the inputs of all nodes of the prompt that *graph* becomes, by id."""
    return {node_id: node["inputs"] for node_id, node in convert(graph, catalog).prompt.items()}
