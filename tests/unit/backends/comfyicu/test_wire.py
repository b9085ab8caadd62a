"""The API's replies as values, quirks included."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.base import NodeProgress, OutputFile, RunStatus
from comfypipe.backends.comfyicu.failures import refusal
from comfypipe.backends.comfyicu.marks import is_marked, marked, read_name
from comfypipe.backends.comfyicu.wire import (
    execution_s,
    parse_created,
    parse_progress,
    parse_run,
    parse_runs,
    request_body,
)
from comfypipe.errors import (
    AuthenticationFailed,
    BackendRejected,
    OutOfMemory,
    PromptInvalid,
    ProtocolMismatch,
    RunFailed,
)

RUN: JSONObject = {
    "id": "APCmAT2lf8O6sAgk2Svf2",
    "created_at": "2025-05-23T15:08:18.297Z",
    "started_at": "2025-05-23T15:08:20.000Z",
    "completed_at": "2025-05-23T15:08:26.500Z",
    "run_time": 6357,
    "status": "COMPLETED",
    "data": {"prompt": {}, "extra_data": {"extra_pnginfo": {"workflow": {}}}, "accelerator": "L4"},
    "workflow_id": "w1",
    "output": [
        {
            "filename": "/workflows/w1/output/APCmAT2lf8O6sAgk2Svf2/cp-n9-ComfyUI_00001_.png",
            "url": "https://files.example/a.png?signature=x%2Fy",
            "thumbnail_url": "https://files.example/a.webp",
        }
    ],
    "error": None,
    "user": None,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_a_completed_run_is_read_whole() -> None:
    """A user that is null, and metadata that is absent, are passed over."""
    run = parse_run(RUN)
    assert run.result is not None
    expected = OutputFile("9", "images", "ComfyUI_00001_.png", url="https://files.example/a.png?signature=x%2Fy")
    assert (RunStatus.COMPLETED, (expected,), 6.357) == (run.status, run.result.files, run.result.execution_s)


def test_outputs_may_be_a_map() -> None:
    """As older clients have them, with a subfolder or without."""
    shown = {"/output/a/cp-n2-x_1.flac": "https://files.example/1", "/output/y.latent": "https://files.example/2"}
    run = parse_run(RUN | {"output": None, "outputs": shown})
    assert run.result is not None
    assert [("2", "audio", "x_1.flac", "a"), ("", "latents", "y.latent", "")] == [
        (each.node_id, each.key, each.filename, each.subfolder) for each in run.result.files
    ]


def test_the_only_node_whose_files_bear_no_mark_has_those_that_bear_none() -> None:
    """Its prefix came over a link."""
    prompt = {"5": {"class_type": "SaveImage", "inputs": {"filename_prefix": ["1", 0]}}}
    output = [{"filename": "/workflows/w1/output/r/linked_00001_.png", "url": "https://files.example/1"}]
    run = parse_run(RUN | {"output": output, "data": {"prompt": prompt}})
    assert run.result is not None
    assert ["5"] == [each.node_id for each in run.result.files]


def test_an_error_is_read_from_the_output() -> None:
    """``error`` stays null; the output is an object, and ``run_time`` is in seconds."""
    output = {
        "error": {
            "details": {
                "error": {
                    "type": "invalid_prompt",
                    "details": "Node ID '#7'",
                    "message": "no such class",
                    "extra_info": {},
                },
                "node_errors": {},
            },
            "prompt_id": "r",
            "traceback": ["…"],
            "exception_type": "invalid_prompt",
            "exception_message": "Cannot execute because node Foo does not exist.",
        }
    }
    run = parse_run(RUN | {"status": "ERROR", "output": output, "run_time": 6})
    assert run.result is not None
    error = run.result.error
    assert isinstance(error, RunFailed)
    assert ("7", "invalid_prompt", 6.0) == (error.node_id, error.exception_type, run.result.execution_s)
    assert "Foo does not exist" in error.message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"error": "boom"}, (RunFailed, "boom")),
        ({"error": {"message": "m", "exception_type": "ValueError"}}, (RunFailed, "m")),
        ({"error": {"exception_type": "torch.cuda.OutOfMemoryError"}}, (OutOfMemory, "OutOfMemoryError")),
        ({"error": "CUDA out of memory. Tried to allocate"}, (OutOfMemory, "CUDA")),
        ({"output": {"error": {}}}, (RunFailed, "ended as ERROR")),
        ({"output": None}, (RunFailed, "ended as ERROR")),
    ],
)
def test_errors_of_every_shape_say_something(changes: JSONObject, expected: tuple[type, str]) -> None:
    """Text, objects, nothing: each becomes an error, and lack of memory is told apart."""
    run = parse_run(RUN | {"status": "ERROR", "output": []} | changes)
    assert run.result is not None
    kind, words = expected
    assert kind is type(run.result.error)
    assert words in str(run.result.error)


@pytest.mark.parametrize(
    ("state", "ended", "expected"),
    [
        ("QUEUED", False, RunStatus.QUEUED),
        ("STARTED", False, RunStatus.RUNNING),
        ("RUNNING", False, RunStatus.RUNNING),
        ("completed", True, RunStatus.COMPLETED),
        ("DOWNLOADING", False, None),
        ("ARCHIVED", True, RunStatus.COMPLETED),
        ("INSUFFICIENT_CREDIT", False, RunStatus.FAILED),
        ("CANCELED", False, RunStatus.CANCELLED),
    ],
)
def test_statuses(state: str, ended: bool, expected: RunStatus | None) -> None:
    """A word that nobody knows is no end, unless the run has a time of it."""
    run = parse_run(RUN | {"status": state, "completed_at": RUN["completed_at"] if ended else None})
    assert expected == run.status
    assert (expected is not None and expected.final) == (run.result is not None)


def test_our_own_service_says_more() -> None:
    """Nodes, texts, what was simulated, and that a run was cancelled."""
    beyond: JSONObject = {"values": {"t": {"text": ["7"]}}, "simulated": True, "comfypipe": {"cancelled": False}}
    run = parse_run(RUN | {"output": [RUN["output"][0] | {"node_id": "3", "key": "audio"}]} | beyond)
    assert run.result is not None
    assert ("3", "audio", {"t": {"text": ["7"]}}, True) == (
        run.result.files[0].node_id,
        run.result.files[0].key,
        run.result.values,
        run.result.simulated,
    )
    cancelled = parse_run(RUN | {"status": "ERROR", "error": {"type": "cancelled"}, "comfypipe": {"cancelled": True}})
    assert RunStatus.CANCELLED == cancelled.status


@pytest.mark.parametrize(
    ("changes", "completed", "expected"),
    [
        ({"run_time": 1500}, True, 1.5),
        ({"run_time": 6.5}, False, 6.5),
        ({"run_time": 6500}, False, 6.5),
        ({"run_time": None}, True, 6.5),
        ({"run_time": None, "started_at": None}, True, None),
        ({"run_time": True, "started_at": "yesterday"}, True, None),
    ],
)
def test_the_unit_of_run_time_is_the_one_that_fits(
    changes: JSONObject, completed: bool, expected: float | None
) -> None:
    """Milliseconds when it completed, seconds on an error; times of start and end decide where they are there."""
    assert expected == execution_s(RUN | changes, completed=completed)


@pytest.mark.parametrize(
    ("status", "body", "expected", "words"),
    [
        (401, {"error": "Unauthorized"}, AuthenticationFailed, "Unauthorized"),
        (402, {"message": "Insufficient credits"}, BackendRejected, "Insufficient credits"),
        (404, None, BackendRejected, "no such workflow"),
        (400, {"error": "bad", "message": "worse"}, BackendRejected, "worse"),
        (400, {"error": {"type": "t", "message": "m", "details": "d"}}, PromptInvalid, "m: d"),
        (
            422,
            {"error": "invalid-prompt", "message": "m", "details": {"type": "t", "message": "n"}},
            PromptInvalid,
            "n",
        ),
        (500, [], BackendRejected, "does not say why"),
    ],
)
def test_refusals(status: int, body: JSON, expected: type, words: str) -> None:
    """``error``, ``message``, both, or ComfyUI's own form."""
    found = refusal(status, body, "the API")
    assert expected is type(found)
    assert words in str(found)


def test_the_body_has_what_is_there_and_no_more() -> None:
    """Strict servers refuse null."""
    wanted = request_body({"1": {}}, workflow_id="w", files={}, accelerator=None, webhook=None)
    assert {"workflow_id": "w", "prompt": {"1": {}}} == wanted


@given(st.dictionaries(st.text(min_size=1, max_size=6), json_values, max_size=4))
def test_any_prompt_can_be_marked(prompt: dict[str, Any]) -> None:
    """The mark is found where a node could bear it, and nothing else of a node is changed but prefixes."""
    nodes = {
        key: {"class_type": "X", "inputs": {"filename_prefix": "a/b", "v": value}} for key, value in prompt.items()
    }
    found = marked(nodes, "p1")
    assert bool(nodes) == is_marked(found, "p1")
    assert not is_marked(found, "p2")
    for node_id, each in found.items():
        folder, _, name = each["inputs"]["filename_prefix"].rpartition("/")
        assert ("a", (node_id.encode("utf-8", "replace").decode(), "b")) == (folder, read_name(name))


@given(json_values)
def test_whatever_comes_is_read_or_refused(body: JSON) -> None:
    """No reply makes the client fail in another way than by its own errors."""
    for parse in (parse_run, parse_runs, parse_created):
        for each in (body, [body], RUN | {"output": body, "error": body}, {"id": "x", "status": "ERROR", "data": body}):
            try:
                parse(each)
            except ProtocolMismatch:
                continue
    marked({"1": body}, "p")
    refusal(400, body, "the API")


def test_progress_of_nodes() -> None:
    """Events of nodes are told, those of the run are not."""
    told = parse_progress("p", {"state": "progress", "node": "3", "class_type": "K", "value": 1, "maximum": 4})
    assert NodeProgress("p", "progress", "3", "K", 1.0, 4.0) == told
    assert parse_progress("p", {"state": "started"}) is None
