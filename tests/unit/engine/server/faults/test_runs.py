"""Faults of execution and of what is told about it."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from tests.unit.engine.server.client import Gate, ended, jobs, listening, node, post, prompt, read
from tests.unit.engine.server.faults.conftest import Play
from websockets.exceptions import ConnectionClosed
from websockets.sync.connection import Connection

from comfypipe._types import JSONObject
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.engine.server.serve import serving
from comfypipe.testing import EngineServer

ClientOf = Callable[[EngineServer], httpx.Client]


def told(ws: Connection, prompt_id: str) -> list[JSONObject]:
    """Return the messages up to the end of a run."""
    messages = []
    while (message := read(ws))["data"] != {"node": None, "prompt_id": prompt_id}:
        messages.append(message)
    return messages


def test_zombie(play: Play, client_of: ClientOf) -> None:
    """HTTP answers and nothing executes; interrupts do nothing; only a restart helps."""
    server = play("zombie")
    client = client_of(server)
    first, second = (post(client, prompt(value))["prompt_id"] for value in (1, 2))
    for path in ("/interrupt", "/interrupt"):
        client.post(path)
    queue = client.get("/queue").json()
    while not queue["queue_running"]:
        queue = client.get("/queue").json()
    assert ([first], [second]) == (
        [each[1] for each in queue["queue_running"]],
        [each[1] for each in queue["queue_pending"]],
    )
    assert {} == server.executions.by_prompt_id()
    server.restart()
    assert {"queue_running": [], "queue_pending": []} == client.get("/queue").json()
    ended(client, post(client, prompt(3))["prompt_id"])


@pytest.mark.parametrize(
    ("fault", "exception_type"), [("out-of-memory", "torch.OutOfMemoryError"), ("cuda-error", "RuntimeError")]
)
def test_failures_of_the_device(play: Play, client_of: ClientOf, fault: str, exception_type: str) -> None:
    """At the node class that was named; nodes before it ran; the next prompt is fine."""
    server = play(f"{fault}=node:Save")
    client = client_of(server)
    entry = ended(client, post(client, prompt(3))["prompt_id"])
    assert ("error", False, {}) == (entry["status"]["status_str"], entry["status"]["completed"], entry["outputs"])
    kind, data = entry["status"]["messages"][-1]
    assert ("execution_error", "2", "Save", ["1"], exception_type) == (
        kind,
        data["node_id"],
        data["node_type"],
        data["executed"],
        data["exception_type"],
    )
    assert "success" == ended(client, post(client, prompt(3))["prompt_id"])["status"]["status_str"]
    assert ["error", "success"] == [each["status"] for each in server.executions.to_json()["executions"]]


def test_lying_status(play: Play, client_of: ClientOf) -> None:
    """Success in the history, and an error among its messages."""
    client = client_of(play("lying-status"))
    with listening(client, "/ws?clientId=me") as ws:
        prompt_id = post(client, prompt(3), client_id="me")["prompt_id"]
        kinds = [each["type"] for each in told(ws, prompt_id)]
    assert ("execution_error" in kinds, "execution_success" in kinds) == (True, False)
    entry = ended(client, prompt_id)
    assert ("success", True) == (entry["status"]["status_str"], entry["status"]["completed"])
    assert ["execution_start", "execution_cached", "execution_error"] == [
        each for each, _ in entry["status"]["messages"]
    ]
    assert "graph.DependencyCycleError" == entry["status"]["messages"][-1][1]["exception_type"]


def test_blocked(play: Play, client_of: ClientOf) -> None:
    """An error of type ExecutionBlocked goes to the socket only; success follows, without that output."""
    client = client_of(play("blocked"))
    with listening(client, "/ws?clientId=me") as ws:
        document = prompt(3) | {"3": node("Save", value=["1", 0], prefix="m")}
        prompt_id = post(client, document, client_id="me")["prompt_id"]
        messages = told(ws, prompt_id)
    ends = [each for each in messages if each["type"] in ("execution_error", "execution_success")]
    assert ["execution_error", "execution_success"] == [each["type"] for each in ends]
    assert ("ExecutionBlocked", "3") == (ends[0]["data"]["exception_type"], ends[0]["data"]["node_id"])
    entry = ended(client, prompt_id)
    assert ("success", ["2"], ["2", "3"]) == (entry["status"]["status_str"], list(entry["outputs"]), entry["prompt"][4])
    assert "execution_error" not in dict(entry["status"]["messages"])


def test_late_history(play: Play, client_of: ClientOf) -> None:
    """Success is told before the history has it; the end of the run only afterwards."""
    client = client_of(play("late-history=ms:200"))
    with listening(client, "/ws?clientId=me") as ws:
        prompt_id = post(client, prompt(3), client_id="me")["prompt_id"]
        while read(ws)["type"] != "execution_success":
            pass
        assert {} == client.get(f"/history/{prompt_id}").json()
        told(ws, prompt_id)
        assert [prompt_id] == list(client.get(f"/history/{prompt_id}").json())


def test_file_gone(play: Play, client_of: ClientOf) -> None:
    """A success whose file is not there; the same prompt again is wholly cached and names it once more."""
    server = play("file-gone")
    client = client_of(server)
    entries = [ended(client, post(client, prompt(3))["prompt_id"]) for _ in range(2)]
    for entry in entries:
        assert "success" == entry["status"]["status_str"]
        assert 404 == client.get("/view", params=entry["outputs"]["2"]["texts"][0]).status_code
    assert entries[0]["outputs"] == entries[1]["outputs"]
    assert ["1", "2"] == dict(entries[1]["status"]["messages"])["execution_cached"]["nodes"]
    other = ended(client, post(client, prompt(4))["prompt_id"])
    assert 200 == client.get("/view", params=other["outputs"]["2"]["texts"][0]).status_code


def test_no_cached_outputs(play: Play, client_of: ClientOf) -> None:
    """Without a client id a cached run shows nothing; with one it does."""
    client = client_of(play("no-cached-outputs"))
    shown = [
        list(ended(client, post(client, prompt(3), **more)["prompt_id"])["outputs"])
        for more in ({}, {}, {"client_id": "me"})
    ]
    assert [["2"], [], ["2"]] == shown


@pytest.mark.parametrize("at", ["queued", "running", "ended"])
def test_restart(play: Play, client_of: ClientOf, at: str) -> None:
    """Queue and history are empty, numbering starts again, the cache is empty, and nothing of the old run is told."""
    server = play(f"restart=at:{at},nth:2")
    client = client_of(server)
    ended(client, post(client, prompt(1))["prompt_id"])
    lost = post(client, prompt(2), prompt_id=str(uuid4()))["prompt_id"]
    while 1 == server.executions.to_json()["lives"]:
        pass
    reply = post(client, prompt(1))
    assert (0, "success") == (reply["number"], ended(client, reply["prompt_id"])["status"]["status_str"])
    assert [(reply["prompt_id"], "completed")] == jobs(client)
    assert {} == client.get(f"/history/{lost}").json()
    assert 2 == server.times_executed(prompt(1))
    lives = {each["prompt_id"]: (each["life"], each["status"]) for each in server.executions.to_json()["executions"]}
    assert (1, "success") == lives[reply["prompt_id"]]
    expected = {"queued": None, "running": (0, "lost"), "ended": (0, "success")}
    assert expected[at] == lives.get(lost)


def test_restart_breaks_sockets_and_loses_temporary_files(play: Play, client_of: ClientOf, gate: Gate) -> None:
    """And the run that was under way; a client that connects again hears nothing of it."""
    server = play()
    client = client_of(server)
    (server.folder / "temp").mkdir(parents=True)
    with listening(client, "/ws?clientId=me") as ws:
        post(client, prompt(1, through="Gate"), client_id="me")
        assert gate.entered.wait(10)
        server.restart()
        with pytest.raises(ConnectionClosed):
            told(ws, "none that ends")
    assert not (server.folder / "temp").exists()
    gate.opened.set()
    with listening(client, "/ws?clientId=me") as ws:
        prompt_id = post(client, prompt(5), client_id="me")["prompt_id"]
        assert {prompt_id} == {each["data"]["prompt_id"] for each in told(ws, prompt_id) if each["type"] != "status"}


def test_down_after_a_restart(play: Play, client_of: ClientOf) -> None:
    """For a while every connection is closed without a reply."""
    server = play()
    client = client_of(server)
    server.restart(down_ms=200)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/queue")
    while True:
        try:
            client.get("/queue").raise_for_status()
            break
        except httpx.RemoteProtocolError:
            continue


def test_slow_models(play: Play, client_of: ClientOf) -> None:
    """A model takes its time when it is not among the last ones used, and none when it is."""
    server = play("slow-models=ms:1,slots:2")
    client = client_of(server)
    for name in ("a", "b", "a", "c", "a", "b"):
        document = {"1": node("Save", value=f"{name}.safetensors", prefix=uuid4().hex)}
        ended(client, post(client, document)["prompt_id"])
    assert {"a.safetensors": 1, "b.safetensors": 2, "c.safetensors": 1} == server.executions.model_loads()


def test_slow_runs_can_be_interrupted(play: Play, client_of: ClientOf) -> None:
    """They wait before the first node, no longer than they are let."""
    client = client_of(play("slow-runs=ms:60000"))
    prompt_id = post(client, prompt(1))["prompt_id"]
    while not client.get("/queue").json()["queue_running"]:
        pass
    client.post("/interrupt", json={"prompt_id": prompt_id})
    assert "execution_interrupted" in dict(ended(client, prompt_id)["status"]["messages"])


def test_control(play: Play, client_of: ClientOf) -> None:
    """Over HTTP too: what ran, what is played, other faults, and what is wrong with them."""
    client = client_of(play("lost-reply=nth:5"))
    prompt_id = ended(client, post(client, prompt(3))["prompt_id"])["prompt"][1]
    found = client.get("/comfypipe/executions", params={"prompts": "1"}).json()
    assert ({prompt_id: 1}, prompt(3)) == (found["by_prompt_id"], found["executions"][0]["prompt"])
    shown = client.get("/comfypipe/faults").json()["faults"]
    assert [{"name": "lost-reply", "settings": {}, "occasions": 1, "struck": 0}] == shown
    changed = client.post("/comfypipe/faults", json={"clear": True, "add": ["queued-500=always"]})
    assert ["queued-500"] == [each["name"] for each in changed.json()["faults"]]
    assert 500 == client.post("/prompt", json={"prompt": prompt(4)}).status_code
    for wrong in (b'{"add": ["nothing"]}', b"[]", b"no json"):
        assert 400 == client.post("/comfypipe/faults", content=wrong).status_code


def test_ordinary_servers_have_no_control(tmp_path: Path) -> None:
    """Nothing of all this is there where no fault was asked for."""
    with serving(Engine(Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp"))) as url:
        assert 404 == httpx.get(f"{url}/comfypipe/executions").status_code
