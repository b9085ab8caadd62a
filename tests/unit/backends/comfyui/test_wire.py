"""ComfyUI's protocol read into values: recorded replies, and the cases that lie."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from comfypipe._types import JSON
from comfypipe.backends.base import NodeProgress, OutputFile, RunStatus, Submission
from comfypipe.backends.comfyui.wire import (
    Accepted,
    Ended,
    Preview,
    Queue,
    parse_accepted,
    parse_binary,
    parse_entry,
    parse_history,
    parse_message,
    parse_queue,
    refusal,
    submission_body,
)
from comfypipe.errors import BackendRejected, OutOfMemory, PromptInvalid, ProtocolMismatch, RunCancelled, RunFailed


def entry(*messages: tuple[str, dict[str, Any]], status: str = "success", **rest: Any) -> dict[str, Any]:
    """Return an entry of the history with these messages."""
    return {"status": {"status_str": status, "completed": True, "messages": [list(each) for each in messages]}, **rest}


def failure(exception_type: str) -> dict[str, Any]:
    """Return the data of an ``execution_error``."""
    return {"node_id": "3", "node_type": "KSampler", "exception_type": exception_type, "exception_message": "no\n"}


def test_body_has_no_number_and_names_the_client() -> None:
    """What is posted holds the pre-made id, the client, the prompt, and nothing that changes its place in the queue."""
    body = submission_body(Submission("p-1", {"1": {}}, extra_pnginfo={"comfypipe": 1}), "c-1")
    assert {
        "prompt": {"1": {}},
        "prompt_id": "p-1",
        "client_id": "c-1",
        "extra_data": {"extra_pnginfo": {"comfypipe": 1}},
    } == body


def test_accepted_prompt_tells_which_outputs_were_dropped() -> None:
    """``node_errors`` in a 200 are kept: some outputs were left out."""
    assert Accepted("p", {"4": {}}) == parse_accepted({"prompt_id": "p", "number": 1, "node_errors": {"4": {}}})


@pytest.mark.parametrize("body", [None, [], {}, {"prompt_id": 7}, "ok"])
def test_something_else_than_an_acceptance_is_refused(body: JSON) -> None:
    """What has no prompt id did not come from ComfyUI."""
    with pytest.raises(ProtocolMismatch):
        parse_accepted(body)


def test_refusal_keeps_comfyuis_own_types() -> None:
    """A 400 becomes `PromptInvalid` with ComfyUI's error and node errors, each in words."""
    node_errors = {
        "2": {"class_type": "ImageScale", "errors": [{"type": "x", "message": "Value too big", "details": "width"}]}
    }
    error = refusal(400, {"error": {"type": "bad", "message": "Invalid", "details": ""}, "node_errors": node_errors})
    assert isinstance(error, PromptInvalid)
    assert ("bad", node_errors) == (error.error["type"], error.node_errors)
    assert "Invalid\n  node 2 (ImageScale): Value too big: width" == error.message


def test_refusal_without_words() -> None:
    """A 4xx with nothing in it is still an error."""
    assert isinstance(refusal(400, None), BackendRejected)


def test_success_with_outputs_of_every_kind() -> None:
    """Lists of files become files, whatever their key; texts and unknown keys stay as values."""
    outputs = {
        "4": {"images": [{"filename": "a.png", "subfolder": "s", "type": "output"}], "animated": [True]},
        "5": {"audio": [{"filename": "b.flac", "subfolder": "", "type": "temp"}], "text": ["seven"]},
        "6": {"gaussian_splats": [{"filename": "c.ply"}]},
    }
    result = parse_entry(entry(("execution_success", {"timestamp": 1500}), outputs=outputs))
    assert (RunStatus.COMPLETED, None, outputs) == (result.status, result.error, result.values)
    assert (
        OutputFile("4", "images", "a.png", "s", "output"),
        OutputFile("5", "audio", "b.flac", "", "temp"),
        OutputFile("6", "gaussian_splats", "c.ply", "", "output"),
    ) == result.files


def test_outputs_of_expanded_nodes_belong_to_the_node_of_the_prompt() -> None:
    """An id such as ``2.0.0.3`` is mapped by ``display_node``."""
    made = entry(outputs={"2.0.0.3": {"text": ["x"]}}, meta={"2.0.0.3": {"display_node": "2"}})
    assert {"2": {"text": ["x"]}} == parse_entry(made).values


def test_a_success_with_an_error_among_its_messages_failed() -> None:
    """``status_str`` lies about a cycle that is found at run time."""
    result = parse_entry(entry(("execution_error", failure("DependencyCycle"))))
    assert RunStatus.FAILED == result.status
    assert isinstance(result.error, RunFailed)
    assert ("3", "KSampler", "DependencyCycle") == (
        result.error.node_id,
        result.error.class_type,
        result.error.exception_type,
    )


def test_a_blocked_execution_is_not_the_end() -> None:
    """``ExecutionBlocked`` is told of as an error, and success follows."""
    messages: tuple[tuple[str, dict[str, Any]], ...] = (
        ("execution_error", failure("ExecutionBlocked")),
        ("execution_success", {}),
    )
    assert RunStatus.COMPLETED == parse_entry(entry(*messages)).status
    assert [] == list(
        parse_message({"type": "execution_error", "data": failure("ExecutionBlocked") | {"prompt_id": "p"}})
    )


def test_an_interrupted_run_was_cancelled() -> None:
    """It says ``error`` too; the message tells them apart."""
    result = parse_entry(entry(("execution_interrupted", {"node_id": "3"}), status="error"))
    assert (RunStatus.CANCELLED, RunCancelled) == (result.status, type(result.error))


@pytest.mark.parametrize("exception", ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError", "MemoryError"])
def test_out_of_memory_is_worth_a_larger_accelerator(exception: str) -> None:
    """Each spelling of it becomes `OutOfMemory`."""
    assert isinstance(parse_entry(entry(("execution_error", failure(exception)))).error, OutOfMemory)


def test_failed_runs_keep_their_partial_outputs() -> None:
    """What was saved before the failure is there."""
    outputs = {"4": {"images": [{"filename": "a.png"}]}}
    assert ("a.png",) == tuple(
        each.filename for each in parse_entry(entry(("execution_error", failure("E")), outputs=outputs)).files
    )


def test_history_without_the_run_is_none() -> None:
    """An empty history, or one of others, tells nothing."""
    assert (None, None) == (parse_history({}, "p"), parse_history({"q": {}}, "p"))


def test_queue_is_sorted_by_number_not_by_place() -> None:
    """Items come in heap order, with five elements or six."""
    body = {
        "queue_running": [[3, "r", {}, {}, []]],
        "queue_pending": [[9, "c", {}, {}, []], [5, "a", {}, {}, [], {}], [7, "b", {}, {}, []], "junk", []],
    }
    assert Queue(("r",), ("a", "b", "c")) == parse_queue(body)


def test_messages_become_progress() -> None:
    """The order in which a run tells of itself; frames of nobody in particular are passed over."""
    frames: list[JSON] = [
        {"type": "status", "data": {"status": {}}},
        {"type": "execution_start", "data": {"prompt_id": "p"}},
        {"type": "execution_cached", "data": {"prompt_id": "p", "nodes": ["1"]}},
        {"type": "executing", "data": {"prompt_id": "p", "node": "2.0.1", "display_node": "2"}},
        {"type": "progress", "data": {"prompt_id": "p", "node": "2", "value": 3, "max": 20}},
        {"type": "executed", "data": {"prompt_id": "p", "node": "2", "output": {}}},
        {"type": "executing", "data": {"node": "9"}},
        {"type": "execution_success", "data": {"prompt_id": "p"}},
        {"type": "executing", "data": {"prompt_id": "p", "node": None}},
        None,
        [],
        {"type": 7, "data": {"prompt_id": "p"}},
    ]
    assert [
        NodeProgress("p", "started"),
        NodeProgress("p", "cached", "1"),
        NodeProgress("p", "running", "2"),
        NodeProgress("p", "progress", "2", value=3.0, maximum=20.0),
        NodeProgress("p", "finished", "2"),
        Ended("p"),
        Ended("p"),
    ] == [each for frame in frames for each in parse_message(frame)]


def test_binary_frames() -> None:
    """Pictures come bare or with metadata; texts and broken frames are none."""
    metadata = json.dumps({"prompt_id": "p", "display_node_id": "3", "node_id": "3.1"}).encode()
    assert Preview(b"jpeg") == parse_binary(struct.pack(">II", 1, 1) + b"jpeg")
    assert Preview(b"png", "p", "3") == parse_binary(struct.pack(">II", 4, len(metadata)) + metadata + b"png")
    assert [None] * 4 == [
        parse_binary(each)
        for each in (b"", b"\0\0\0\1", struct.pack(">II", 3, 1) + b"x", struct.pack(">II", 4, 99) + b"{}")
    ]


RECORDED = {
    "run_success": (RunStatus.COMPLETED, None),
    "run_error": (RunStatus.FAILED, RunFailed),
    "run_oom": (RunStatus.FAILED, OutOfMemory),
    "run_interrupted": (RunStatus.CANCELLED, RunCancelled),
    "run_runtime_cycle": (RunStatus.FAILED, RunFailed),
    "run_execution_blocker_verbose": (RunStatus.COMPLETED, None),
    "run_execution_blocker_silent": (RunStatus.COMPLETED, None),
    "run_text_ui": (RunStatus.COMPLETED, None),
    "run_audio": (RunStatus.COMPLETED, None),
    "run_video": (RunStatus.COMPLETED, None),
    "run_latent": (RunStatus.COMPLETED, None),
    "run_dynamic_async_expansion": (RunStatus.COMPLETED, None),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_runs_end_as_they_did(name: str, shared: Path) -> None:
    """Each recorded history has the end that it really had, and its socket told of it."""
    recorded = json.loads((shared / "protocols" / "recorded" / f"{name}.json").read_text())
    ((prompt_id, _),) = recorded["history"]["body"].items()
    result = parse_history(recorded["history"]["body"], prompt_id)
    assert result is not None
    assert RECORDED[name] == (result.status, type(result.error) if result.error else None)
    told = [each for frame in recorded["ws"] for each in parse_message(frame.get("msg"))]
    assert Ended(prompt_id) in told
    assert NodeProgress(prompt_id, "started") in told
