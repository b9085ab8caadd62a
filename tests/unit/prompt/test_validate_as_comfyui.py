"""Validation against what a real ComfyUI 0.3.64 answered."""

import json
from pathlib import Path
from typing import Any

import pytest

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import PromptInvalid
from comfypipe.prompt.graph import Node, PromptGraph
from comfypipe.prompt.object_info import NodeInfo, ObjectInfo, read_object_info
from comfypipe.prompt.validate import validate

LOADERS = {"LoadImage": ("image", "image"), "LoadAudio": ("audio", "audio"), "LoadVideo": ("file", "video")}
LIVE_LISTS = {"LoadLatent", "LoadImageSetFromFolderNode", "LoadImageTextSetFromFolderNode"}
"""Classes whose combo lists what is on the disk at the time: the recorded list was made before the cases' files."""


@pytest.fixture(scope="module")
def offered(shared: Path) -> ObjectInfo:
    """Return what the recorded server offered."""
    return read_object_info(shared / "protocols/recorded/object_info.json")


def answer(prompt: JSON, offered: ObjectInfo, files: frozenset[str]) -> JSONObject:
    """Return what a server would answer, in the shape of its body."""

    def file_is_there(node: Node, _info: NodeInfo) -> str | None:
        name, kind = LOADERS.get(node.class_type, (None, None))
        if name is None or node.inputs[name] in files:
            return None
        return f"{name} - Invalid {kind} file: {node.inputs[name]}"

    try:
        validation = validate(PromptGraph.parse(prompt), offered, custom=file_is_there)
    except PromptInvalid as error:
        return {"error": error.error, "node_errors": error.node_errors}
    return {"error": validation.error, "node_errors": validation.node_errors()}


def comparable(body: JSONObject) -> JSONObject:
    """Leave out what differs from server to server: tracebacks, the order of errors in a node."""
    nodes: dict[str, Any] = json.loads(json.dumps(body["node_errors"]), parse_constant=str)
    for node in nodes.values():
        for error in node["errors"]:
            error["extra_info"].pop("traceback", None)
        node["errors"].sort(key=json.dumps)
        node["dependent_outputs"].sort()
    return {"error": body.get("error"), "node_errors": nodes}


def test_recorded_answers(shared: Path, offered: ObjectInfo) -> None:
    """Every recorded prompt gets the answer that the server gave; of the cycle, newer versions say more."""
    cases = json.loads((shared / "protocols/recorded/validation_errors.json").read_text())
    prompts = {name: case for name, case in cases.items() if "prompt" in case and name != "cycle"}
    assert len(prompts) > 20
    for name, case in prompts.items():
        body = case["response"]["body"]
        got = answer(case["prompt"], offered, frozenset())
        assert (name, comparable(body)) == (name, comparable(got))


def test_recorded_cycle(shared: Path, offered: ObjectInfo) -> None:
    """The recorded cycle is refused with the same top-level error, and named."""
    case = json.loads((shared / "protocols/recorded/validation_errors.json").read_text())["cycle"]
    validation = validate(PromptGraph.parse(case["prompt"]), offered)
    assert case["response"]["body"]["error"] == validation.error
    assert {"dependency_cycle"} == {each.type for each in validation.errors}


def test_fidelity_cases(shared: Path, offered: ObjectInfo) -> None:
    """Every prompt of the fidelity cases is accepted or refused as it was, in the same words."""
    checked = 0
    for path in sorted((shared / "fidelity/cases").glob("*.json")):
        case = json.loads(path.read_text())
        if any(node["class_type"] in LIVE_LISTS for node in case["prompt"].values()):
            continue
        files = frozenset(each for each in case["inputs"] if "nope" not in each)
        got = comparable(answer(case["prompt"], offered, files | named_files(case["prompt"])))
        golden = case.get("golden", {})  # absent where the prompt simply ran
        expected = {"error": None, "node_errors": {}, **golden.get("body", {})}
        expected["node_errors"] = golden.get("node_errors", expected["node_errors"])
        assert (case["name"], comparable(expected)) == (case["name"], got)
        checked += 1
    assert checked > 200


def named_files(prompt: JSONObject) -> frozenset[str]:
    """Return the files that loaders name, those apart that the cases have no file for."""
    named = (str(node["inputs"].get(LOADERS[node["class_type"]][0])) for node in prompt.values() if is_loader(node))
    return frozenset(name for name in named if "nope" not in name)


def is_loader(node: JSONObject) -> bool:
    """Whether the node loads a file, and its class checks that it is there."""
    return node["class_type"] in LOADERS
