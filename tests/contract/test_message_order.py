"""What a client is told of whole runs, in order, compared with transcripts of a real ComfyUI beside the checkout."""

import json
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from websockets.sync.client import connect

from comfypipe._types import JSONObject
from comfypipe.testing import engine_server
from comfypipe.testing.servers import post_json

Step: TypeAlias = tuple[str, str | None]


@pytest.mark.parametrize(
    "runs",
    [
        ["run_success"],
        ["run_success", "run_cached_same"],
        ["run_success", "run_cached_prefix_changed"],
        ["run_no_client_flags"],
        ["run_batch_preview"],
        ["run_latent"],
        ["run_masks"],
    ],
    ids=" then ".join,
)
def test_same_messages_in_the_same_order(shared: Path, runs: list[str]) -> None:
    """Types, and the nodes that they are about, from connecting to the end of the last run."""
    with engine_server() as server:
        told = [(steps(recorded(shared, name)), observe(server.url, recorded(shared, name))) for name in runs]
    theirs, ours = told[-1]
    assert theirs == ours


def test_same_messages_for_each_node(shared: Path) -> None:
    """Where several nodes are ready at once, ComfyUI's order among them is that of a hash; each node's own is not."""
    whole = recorded(shared, "run_video")
    with engine_server() as server:
        theirs, ours = by_node(steps(whole)), by_node(observe(server.url, whole))
    assert theirs == ours


def recorded(shared: Path, name: str) -> JSONObject:
    """Return a transcript."""
    whole: JSONObject = json.loads((shared / "protocols" / "recorded" / f"{name}.json").read_text())
    return whole


def steps(whole: JSONObject) -> list[Step]:
    """Return what the transcript's client was told."""
    return [step(each["msg"]) for each in whole["ws"] if "msg" in each]


def step(message: Any) -> Step:
    """Return the type of a message, and the node that it is about."""
    if "type" not in message:
        return ("binary", None)
    return message["type"], message["data"].get("node")


def by_node(told: list[Step]) -> dict[str | None, list[str]]:
    """Return the types of the messages about each node; how far it is, nodes tell or not as they like."""
    found: dict[str | None, list[str]] = {}
    for kind, node_id in told:
        if kind not in ("progress", "progress_state"):
            found.setdefault(node_id, []).append(kind)
    return found


def observe(url: str, whole: JSONObject) -> list[Step]:
    """Submit a prompt as the transcript's client did; return what we are told."""
    told: list[Step] = []
    request, flags = whole["request"], ("feature_flags", None) in steps(whole)
    with connect(f"{url.replace('http', 'ws', 1)}/ws?clientId={request['client_id']}", max_size=None) as ws:
        if flags:
            ws.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
        told += [step(json.loads(ws.recv(timeout=10))) for _ in range(1 + flags)]
        post_json(f"{url}/prompt", request)
        while told[-1] != ("executing", None):
            frame = ws.recv(timeout=30)
            told.append(step(json.loads(frame) if isinstance(frame, str) else {}))
    return told
