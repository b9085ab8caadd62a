"""
What importing a UI graph takes, as a multiple of ``json.load`` and ``json.dump`` of its file.

The graph is shaped like what the editor saves: chains of nodes with links, widgets, positions and properties, some of
them inside subgraphs. Importing means all that ``comfypipe import`` does: read, convert, infer the manifest, write.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from _timing import best_of, table
from comfypipe._types import JSON, JSONObject
from comfypipe.engine.offline import object_info
from comfypipe.importing.convert import to_prompt
from comfypipe.importing.imports import import_workflow
from comfypipe.importing.manifest import Form
from comfypipe.importing.ui_graph import parse_ui_graph
from comfypipe.project import ProjectLayout
from comfypipe.prompt.object_info import ObjectInfo

LIMIT = 15.0
NODES = (50, 300, 2000)
INSTANCES = 5  # subgraphs, of six nodes each
FORMS: tuple[Form, ...] = ("bind", "template")


def a_node(node_id: int, kind: str, link: int | None, out: int, values: list[JSON]) -> JSONObject:
    """Return a node as the editor saves it."""
    return {
        "id": node_id,
        "type": kind,
        "pos": [340.5 * node_id, 120.25],
        "size": [270.0, 130.0],
        "flags": {},
        "order": node_id,
        "mode": 0,
        "inputs": [{"localized_name": "image", "name": "image", "type": "IMAGE", "link": link}] if link else [],
        "outputs": [{"localized_name": "IMAGE", "name": "IMAGE", "type": "IMAGE", "slot_index": 0, "links": [out]}],
        "properties": {"cnr_id": "comfy-core", "ver": "0.3.64", "Node name for S&R": kind},
        "widgets_values": values,
    }


def a_chain(count: int, first: JSONObject) -> tuple[list[JSONObject], list[list[JSON]]]:
    """Return *count* nodes, *first* at their head, each reading the one before, and their links."""
    nodes, links = [first], []
    for at in range(2, count + 1):
        links.append([at - 1, at - 1, 0, at, 0, "IMAGE"])
        nodes.append(a_node(at, "ImageScale", at - 1, at, ["lanczos", 512 + at, 512, "disabled"]))
    return nodes, links


def a_subgraph() -> JSONObject:
    """Return the definition of a subgraph of six nodes."""
    head = a_node(1, "ImageInvert", 100, 1, [])
    nodes, links = a_chain(6, head)
    fields = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    ends: list[list[JSON]] = [[100, -10, 0, 1, 0, "IMAGE"], [101, 6, 0, -20, 0, "IMAGE"]]
    return {
        "id": "part",
        "name": "Part",
        "inputs": [{"name": "image", "type": "IMAGE", "linkIds": [100]}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [101]}],
        "nodes": nodes,
        "links": [dict(zip(fields, each, strict=True)) for each in (*links, *ends)],
    }


def a_graph(count: int) -> JSONObject:
    """Return a UI graph that becomes a prompt of about *count* nodes."""
    plain = count - 6 * INSTANCES
    nodes, links = a_chain(plain, a_node(1, "EmptyImage", None, 1, [512, 512, 1, 0]))
    for at in range(plain - INSTANCES, plain):
        nodes[at - 1]["type"], nodes[at - 1]["widgets_values"] = "part", []
    nodes[-1] = {**a_node(plain, "SaveImage", plain - 1, plain, ["ComfyUI"]), "outputs": []}
    nodes[-1]["inputs"][0]["name"] = "images"
    return {
        "version": 0.4,
        "nodes": nodes,
        "links": links,
        "groups": [],
        "definitions": {"subgraphs": [a_subgraph()]},
        "extra": {"ds": {"scale": 1.0, "offset": [0, 0]}},
    }


def copy(path: Path) -> None:
    """Read and write the file: the least that an import does."""
    with path.open() as file:
        document = json.load(file)
    with path.with_suffix(".copy").open("w") as file:
        json.dump(document, file)


def measure(folder: Path, count: int, info: ObjectInfo) -> tuple[list[str], float]:
    """Return a row of the table, and the largest ratio in it."""
    path = folder / f"graph_{count}.json"
    path.write_text(json.dumps(a_graph(count)))
    layout = ProjectLayout.find(folder)
    least = best_of(lambda: copy(path), 15)
    graph = parse_ui_graph(json.loads(path.read_text()))
    imports = [partial(import_workflow, path, layout, object_info=info, form=form, force=True) for form in FORMS]
    calls: list[Callable[[], object]] = [partial(to_prompt, graph, info), *imports]
    times = [best_of(call, 15) for call in calls]
    size = path.stat().st_size / 1024
    row = [str(count), f"{size:.0f}", f"{least * 1000:.1f}", *(f"{each / least:.1f}" for each in times)]
    return row, max(times) / least


def main() -> int:
    """Print the table; fail when 300 nodes take more than the limit."""
    info = object_info()
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text("[tool.comfypipe]\n")
        rows = [measure(folder, count, info) for count in NODES]
    header = ["nodes", "KiB", "load and dump, ms", "conversion, x", *(f"import ({each}), x" for each in FORMS)]
    print(table(header, [row for row, _ in rows]))
    print(f"\nlimit at 300 nodes: {LIMIT} x")
    return 0 if rows[1][1] <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
