"""What a workflow needs besides ComfyUI itself: model files and packages of custom nodes."""

import re
from collections.abc import Iterator, Mapping

from comfypipe._types import JSON, JSONObject
from comfypipe.importing.folders import model_folder
from comfypipe.importing.prompt_parts import inputs_of
from comfypipe.importing.ui_graph import UIGraph
from comfypipe.manifest.destinations import destination_problem, url_problem
from comfypipe.prompt.object_info import ObjectInfo

_CORE = "comfy-core"
_RELEASE = re.compile(r"\d+(\.\d+)*")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


def models(prompt: JSONObject, graph: UIGraph | None) -> tuple[JSONObject, ...]:
    """
    Return the model files that *prompt* names, as a manifest declares them.

    What loaders load, and what the graph's own ``models`` lists say of files that the prompt names: folder, address,
    digest.
    """
    listed: dict[str, dict[str, JSONObject]] = {}
    for each in _listed(graph) if graph is not None else ():
        listed.setdefault(_file_name(each["name"]), {}).setdefault(each["directory"], each)
    found: dict[str, JSONObject] = {}
    for class_type, name, value in _texts(prompt):
        folder = model_folder(class_type, name, value)
        known = listed.get(_file_name(value), {})
        entry = known.get(folder or "") or (next(iter(known.values())) if len(known) == 1 else None)
        folder = entry["directory"] if entry is not None else folder
        path = f"models/{folder}/{_forward(value)}"
        if folder is not None and destination_problem(path) is None:
            found.setdefault(path, {"path": path, **(_details(entry) if entry is not None else {})})
    return tuple(found.values())


def _forward(path: str) -> str:
    return path.replace("\\", "/")


def _file_name(path: str) -> str:
    return _forward(path).rpartition("/")[2]


def _texts(prompt: JSONObject) -> Iterator[tuple[str, str, str]]:
    for node in prompt.values():
        for name, value in inputs_of(node).items():
            if isinstance(value, str) and 0 < len(value) < 512:
                yield node["class_type"], name, value


def _listed(graph: UIGraph) -> Iterator[JSONObject]:
    entries: list[JSON] = list(graph.models)
    for scope in graph.scopes():
        for node in scope.nodes.values():
            held = node.properties.get("models")
            entries.extend(held if isinstance(held, list) else ())
    for each in entries:
        if isinstance(each, dict) and all(isinstance(each.get(key), str) for key in ("name", "directory")):
            yield each


def _details(entry: JSONObject) -> JSONObject:
    details: JSONObject = {}
    url, digest = entry.get("url"), entry.get("hash")
    if isinstance(url, str) and url_problem(url) is None:
        details["url"] = url
    kind = str(entry.get("hash_type", "")).replace("-", "").lower()
    if isinstance(digest, str) and kind == "sha256" and re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        details["sha256"] = digest.lower()
    return details


def custom_nodes(prompt: JSONObject, graph: UIGraph | None, object_info: ObjectInfo | None) -> tuple[JSONObject, ...]:
    """
    Return the packages of custom nodes that *prompt* needs, as a manifest declares them.

    From the registry id or the repository that the editor saves with nodes, with the newest version that was used;
    else from the folder that the server says a class comes from.
    """
    found: dict[str, JSONObject] = {}
    for entry in _origins(prompt, graph, object_info):
        known = found.setdefault(entry["id"].lower(), entry)
        if _newer(entry.get("version"), known.get("version")):
            known["version"] = entry["version"]
        if "url" in entry:
            known.setdefault("url", entry["url"])
    return tuple(found[each] for each in sorted(found))


def _origins(prompt: JSONObject, graph: UIGraph | None, object_info: ObjectInfo | None) -> Iterator[JSONObject]:
    saved = _saved_origins(graph) if graph is not None else {}
    for node in prompt.values():
        class_type = node["class_type"]
        meta = node.get("_meta") if isinstance(node.get("_meta"), dict) else {}
        entry = _entry(meta) or saved.get(class_type) or _from_module(class_type, object_info)
        if entry is not None and entry["id"] != _CORE:
            yield dict(entry)


def _saved_origins(graph: UIGraph) -> Mapping[str, JSONObject]:
    nodes = (node for scope in graph.scopes() for node in scope.nodes.values())
    found = ((node.type, _entry(node.properties)) for node in nodes)
    return {name: entry for name, entry in found if entry is not None}


def _entry(properties: Mapping[str, JSON]) -> JSONObject | None:
    registry_id, repository = properties.get("cnr_id"), properties.get("aux_id")
    entry: JSONObject = {}
    if isinstance(registry_id, str) and registry_id.strip():
        entry["id"] = registry_id.strip()
    elif isinstance(repository, str) and _REPOSITORY.fullmatch(repository):
        entry["id"] = repository.rpartition("/")[2].lower()
        entry["url"] = f"https://github.com/{repository}"
    else:
        return None
    version = properties.get("ver")
    if isinstance(version, str) and _RELEASE.fullmatch(version):
        entry["version"] = f">={version}"
    return entry


def _from_module(class_type: str, object_info: ObjectInfo | None) -> JSONObject | None:
    if object_info is None or class_type not in object_info:
        return None
    module = str(object_info[class_type].raw.get("python_module", ""))
    package, _, folder = module.partition(".")
    return {"id": folder.split(".")[0].lower()} if package == "custom_nodes" and folder else None


def _newer(one: JSON, other: JSON) -> bool:
    return _parts(one) > _parts(other)


def _parts(version: JSON) -> list[int]:
    return [int(each) for each in version.removeprefix(">=").split(".")] if isinstance(version, str) else []
