"""``/prompt``."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from tests.unit.engine.server.client import Gate, ended, jobs, listening, node, post, posted_and_gone, prompt

from comfypipe._types import JSON


def test_prompt_runs_and_its_file_can_be_fetched(client: httpx.Client) -> None:
    """Post, wait for history, view: the whole way of a simple client."""
    reply = post(client, prompt(7), client_id="c", extra_data={"extra_pnginfo": {"workflow": {}}, "tag": "x"})
    assert {"prompt_id", "number", "node_errors"} == set(reply)
    entry = ended(client, reply["prompt_id"])
    extra_data = {"extra_pnginfo": {"workflow": {}}, "tag": "x", "client_id": "c"}
    assert [0, reply["prompt_id"], prompt(7), extra_data, ["2"]] == entry["prompt"]
    assert {"2": {"texts": [{"filename": "n_00001_.txt", "subfolder": "", "type": "output"}]}} == entry["outputs"]
    assert ("success", True) == (entry["status"]["status_str"], entry["status"]["completed"])
    assert {"2": {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"}} == entry["meta"]
    view = client.get("/view", params=entry["outputs"]["2"]["texts"][0])
    assert (200, b"7", "text/plain") == (view.status_code, view.content, view.headers["content-type"].split(";")[0])


def test_failed_prompt_is_in_the_history_with_its_error(client: httpx.Client) -> None:
    """The entry says error, and the message which node."""
    entry = ended(client, post(client, prompt(7, through="Fail"))["prompt_id"])
    assert ("error", False, {}) == (entry["status"]["status_str"], entry["status"]["completed"], entry["outputs"])
    kind, error = entry["status"]["messages"][-1]
    assert ("execution_error", "t", "Fail", "ValueError") == (
        kind,
        error["node_id"],
        error["node_type"],
        error["exception_type"],
    )


def test_prompt_id_of_the_client_is_kept(client: httpx.Client) -> None:
    """And used twice, it runs twice: the history has the later one."""
    wanted = str(uuid4())
    assert wanted == post(client, prompt(1), prompt_id=wanted)["prompt_id"]
    ended(client, wanted)
    assert 1 == post(client, prompt(2), prompt_id=wanted)["number"]


@pytest.mark.parametrize(
    "question", ["/queue", "/history", "/history/early", "/api/jobs", "/api/jobs/early", "/prompt"]
)
def test_nobody_is_told_that_a_prompt_is_unknown_that_is_being_checked(
    client: httpx.Client, gate: Gate, question: str
) -> None:
    """
    Whoever asks after a client that was killed amid its submission waits until the prompt is checked.

    Else it would look as if that had never arrived, and be submitted again: executed twice.
    """
    document = {"1": node("Checked", value=1), "2": node("Save", value=["1", 0], prefix="n")}
    posted_and_gone(client, {"prompt": document, "prompt_id": "early"})
    assert gate.entered.wait(10)
    with ThreadPoolExecutor(1) as asking:
        answer = asking.submit(client.get, question)
        with pytest.raises(TimeoutError):
            answer.result(0.1)
        gate.opened.set()
        assert 200 == answer.result(10).status_code
    assert "success" == ended(client, "early")["status"]["status_str"]
    assert [("early", "completed")] == jobs(client)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({}, 400, "no_prompt"),
        ([], 400, "no_prompt"),
        ({"prompt": {}}, 400, "prompt_no_outputs"),
        ({"prompt": {"1": {"inputs": {}}}}, 400, "invalid_prompt"),
        ({"prompt": {"1": node("NoSuch")}}, 400, "invalid_prompt"),
        ({"prompt": prompt(1001)}, 400, "prompt_outputs_failed_validation"),
        ({"prompt": prompt(1), "partial_execution_targets": ["1"]}, 400, "prompt_no_outputs"),
        ({"prompt": prompt(1), "number": "x"}, 500, None),
        ({"prompt": prompt(1), "extra_data": None, "client_id": "c"}, 500, None),
        ({"prompt": prompt(1), "extra_data": 5}, 500, None),
        (5, 500, None),
    ],
)
def test_refused_prompts(client: httpx.Client, body: JSON, status: int, kind: str | None) -> None:
    """Each with the status and type that ComfyUI gives; nothing is queued."""
    reply = client.post("/prompt", json=body)
    assert status == reply.status_code
    if kind is not None:
        assert {"error", "node_errors"} == set(reply.json())
        assert kind == reply.json()["error"]["type"]
    assert {"exec_info": {"queue_remaining": 0}} == client.get("/prompt").json()


@pytest.mark.parametrize("path", ["/prompt", "/queue", "/history", "/free"])
def test_bodies_that_are_no_json(client: httpx.Client, path: str) -> None:
    """500, as ComfyUI answers; the server lives on."""
    for data in (b"", b"{", b"\xff"):
        assert 500 == client.post(path, content=data).status_code
    assert 200 == client.get("/queue").status_code


def test_partly_valid_prompt_runs_as_far_as_it_goes(client: httpx.Client) -> None:
    """200 with the errors of the rest."""
    document = prompt(1) | {"3": node("Number", value=1001), "4": node("Save", value=["3", 0], prefix="x")}
    reply = post(client, document)
    assert ["value_bigger_than_max"] == [each["type"] for each in reply["node_errors"]["3"]["errors"]]
    assert ["2"] == list(ended(client, reply["prompt_id"])["outputs"])


def test_partial_execution(client: httpx.Client) -> None:
    """Only the output nodes that are asked for run."""
    document = prompt(1) | {"9": node("Save", value=["1", 0], prefix="nine")}
    reply = post(client, document, partial_execution_targets=["9"])
    entry = ended(client, reply["prompt_id"])
    assert (["9"], ["9"]) == (list(entry["outputs"]), entry["prompt"][4])


def test_output_that_cannot_be_told(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    """A node that shows what no JSON can hold fails its prompt; the next one runs."""
    with listening(client, "/ws?clientId=me"):
        broken = post(client, {"1": node("Circular", value=1)}, client_id="me")
        assert "error" == ended(client, broken["prompt_id"])["status"]["status_str"]
        assert "success" == ended(client, post(client, prompt(1))["prompt_id"])["status"]["status_str"]
    assert broken["prompt_id"] in caplog.text
