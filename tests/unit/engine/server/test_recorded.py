"""Replies compared with those of a real ComfyUI 0.3.64, which lie beside the checkout."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.engine.server.client import ended, listening, read

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.engine.server.serve import serving


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    """Return the folder of recorded replies."""
    return shared / "protocols" / "recorded"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of a server with all core nodes; the tests here share it."""
    root = tmp_path_factory.mktemp("engine")
    engine = Engine(Folders(root / "input", root / "output", root / "temp"))
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with serving(engine) as url, httpx.Client(base_url=url, verify=no_tls) as made:
        yield made


def recorded(folder: Path, name: str) -> Any:
    """Return a recorded file."""
    return json.loads((folder / f"{name}.json").read_text())


def shape(value: JSON) -> JSON:
    """Return the keys and types of a value; of lists those of the items, each once."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        shapes: list[JSON] = []
        for item in map(shape, value):
            if item not in shapes:
                shapes.append(item)
        return shapes
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


@pytest.mark.parametrize("path", ["embeddings", "features", "history", "models", "prompt", "queue"])
def test_plain_gets(client: httpx.Client, folder: Path, path: str) -> None:
    """On a server that has done nothing, the whole reply is the same."""
    assert recorded(folder, f"get_{path}") == client.get(f"/{path}").json()


def test_system_stats(client: httpx.Client, folder: Path) -> None:
    """All fields are there, with the same types; one is ours."""
    stats = client.get("/system_stats").json()
    assert stats["system"].pop("comfypipe_version")
    assert shape(recorded(folder, "get_system_stats")) == shape(stats)


def test_run_reply_and_history(client: httpx.Client, folder: Path) -> None:
    """The reply to a prompt and its history entry have the same keys and types throughout."""
    whole = recorded(folder, "run_success")
    reply = client.post("/prompt", json=whole["request"])
    assert (whole["response"]["status"], shape(whole["response"]["body"])) == (reply.status_code, shape(reply.json()))
    entry = ended(client, reply.json()["prompt_id"])
    (theirs,) = whole["history"]["body"].values()
    assert shape(theirs) == shape(entry)
    assert theirs["prompt"][2:] == entry["prompt"][2:]
    assert theirs["outputs"] == entry["outputs"]


def test_socket(client: httpx.Client, folder: Path) -> None:
    """Everything that a client sees of a run, in order, from connecting to the end."""
    whole = recorded(folder, "run_success")
    theirs = [each["msg"] for each in whole["ws"] if "msg" in each]
    request = whole["request"]
    request["prompt"]["1"]["inputs"]["color"] += 1  # not what another test has left in the cache
    with listening(client, f"/ws?clientId={request['client_id']}") as ws:
        ws.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
        ours = [read(ws), read(ws)]
        client.post("/prompt", json=request).raise_for_status()
        ours += [read(ws) for _ in theirs[2:]]
    assert [(each["type"], shape(each["data"])) for each in theirs] == [
        (each["type"], shape(each["data"])) for each in ours
    ]


def test_validation_errors(client: httpx.Client, folder: Path) -> None:
    """Every recorded refusal is refused the same way: status, types, inputs, details."""
    differing = {}
    for name, case in recorded(folder, "validation_errors").items():
        if "prompt" in case:
            body = json.dumps({"prompt": case["prompt"]})  # NaN included
            reply = client.post("/prompt", content=body, headers={"Content-Type": "application/json"})
            ours = (reply.status_code, _refusal(reply.json()))
            theirs = (case["response"]["status"], _refusal(case["response"]["body"]))
            if ours != theirs:
                differing[name] = (theirs, ours)
    cycle = differing.pop("cycle")  # newer versions name the cycle, and so do we
    assert "dependency_cycle" in str(cycle[1])
    assert {} == differing


def test_uploads(client: httpx.Client, folder: Path) -> None:
    """Names, numbers, folders and statuses, in the recorded order; the client there wrote odd names in its own way."""
    contents = {
        "same_name_diff_bytes": b"2",
        "same_name_diff_bytes_again": b"2",
        "overwrite": b"3",
        "overwrite_True": b"4",
    }
    for name, case in recorded(folder, "uploads").items():
        args = case.get("args", {})
        if "filename" not in args or name.startswith("big") or "%" in str(case["body"]) or name == "no_file":
            continue
        form = {key: value for key, value in args.items() if key not in ("filename", "field")}
        files = {args["field"]: (args["filename"], contents.get(name, b"1"))}
        reply = client.post("/upload/image", files=files, data=form)
        assert case["status"] == reply.status_code, name
        if isinstance(case["body"], dict):
            assert case["body"] == reply.json(), name


def _refusal(body: JSONObject) -> JSON:
    error = body.get("error", {})
    nodes = {
        node_id: (
            sorted(
                (each["type"], each["message"], each["details"], _plain(each["extra_info"])) for each in entry["errors"]
            ),
            entry["dependent_outputs"],
            entry["class_type"],
        )
        for node_id, entry in body["node_errors"].items()
    }
    return (error.get("type"), error.get("message"), error.get("details"), nodes)


def _plain(extra_info: JSONObject) -> str:
    if extra_info.get("received_value") != extra_info.get("received_value"):
        extra_info = {**extra_info, "received_value": None}  # NaN, which is no JSON: ours is null
    kept = {key: value for key, value in extra_info.items() if key not in ("traceback", "input_config")}
    return json.dumps(kept, sort_keys=True)
