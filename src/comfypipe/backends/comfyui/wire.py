"""ComfyUI's protocol as values: dicts in, typed values out. Nothing here talks, so recorded replies can test it."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.base import NodeProgress, OutputFile, RunResult, RunStatus, Submission
from comfypipe.errors import (
    BackendError,
    BackendRejected,
    OutOfMemory,
    PromptInvalid,
    ProtocolMismatch,
    RunCancelled,
    RunError,
    RunFailed,
)

_BLOCKED = "ExecutionBlocked"
_ENDS = ("execution_success", "execution_error", "execution_interrupted")
_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4


def submission_body(submission: Submission, client_id: str) -> JSONObject:
    """
    Return the body of ``POST /prompt``.

    ``number`` is never sent: with the same id pending, it gives a 500 for a prompt that is queued all the same.
    """
    return {
        "prompt": submission.prompt,
        "prompt_id": submission.prompt_id,
        "client_id": client_id,
        "extra_data": {"extra_pnginfo": submission.extra_pnginfo},
    }


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server has queued a prompt; *refused* tells which of its outputs it dropped, by node."""

    prompt_id: str
    refused: JSONObject


def parse_accepted(body: JSON) -> Accepted:
    """
    Read the 200 of ``POST /prompt``.

    Raises:
        ProtocolMismatch: It is none.
    """
    if not isinstance(body, dict) or not isinstance(body.get("prompt_id"), str):
        raise ProtocolMismatch("the reply to POST /prompt names no prompt_id", hint="is this a ComfyUI server?")
    return Accepted(body["prompt_id"], _object(body.get("node_errors")))


def refusal(status: int, body: JSON) -> BackendError | PromptInvalid:
    """Return the error that a 4xx of ``POST /prompt`` means."""
    error = _object(body).get("error")
    if isinstance(error, str):  # some forks and proxies
        error = {"type": "error", "message": error, "details": "", "extra_info": {}}
    if not isinstance(error, dict):
        return BackendRejected(f"the server refused the prompt with HTTP {status}")
    node_errors = _object(_object(body).get("node_errors"))
    words = [str(error.get("message") or "the server refused the prompt"), str(error.get("details") or "")]
    lines = [": ".join(filter(None, words)), *_node_error_lines(node_errors)]
    message = "\n  ".join(lines)
    return PromptInvalid(message, error=error, node_errors=node_errors, hint=_hint(message))


def _hint(message: str) -> str | None:
    if "maximum recursion depth" in message:
        return "the server follows links node by node, and no deeper than about a thousand: part the workflow in two"
    return None


def _node_error_lines(node_errors: JSONObject) -> Iterator[str]:
    for node_id, entry in node_errors.items():
        for each in _list(_object(entry).get("errors")):
            found = _object(each)
            yield f"node {node_id} ({_object(entry).get('class_type')}): {found.get('message')}: {found.get('details')}"


# What a server offers


def parse_object_info(body: JSON, server: str) -> JSONObject:
    """
    Read ``GET /object_info``: every class in one of the forms that are known.

    Raises:
        ProtocolMismatch: It is something else.
    """
    if not isinstance(body, dict) or not body:
        raise ProtocolMismatch(f"{server} has no node classes in its /object_info", hint="is it a ComfyUI server?")
    for class_type, entry in body.items():
        if not _is_node_class(entry):
            raise ProtocolMismatch(
                f"{server} describes the node class {class_type} in a form that is not known",
                hint="is it a ComfyUI server, and of a version that this comfypipe knows? See `comfypipe doctor`",
            )
    return body


def _is_node_class(entry: JSON) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("input"), dict):
        return False
    groups = (entry["input"].get(name) for name in ("required", "optional"))
    lists = (entry.get(name) for name in ("output", "output_name", "output_is_list"))
    return all(each is None or isinstance(each, dict) for each in groups) and all(
        each is None or isinstance(each, list) for each in lists
    )


def parse_version(body: JSON) -> JSONObject | None:
    """Read from ``GET /system_stats`` what changes when another server is started; None where it does not tell."""
    system = _object(_object(body).get("system"))
    if not isinstance(system.get("comfyui_version"), str):
        return None
    return {name: value for name, value in system.items() if name not in ("ram_total", "ram_free")}


# The end of a run


def parse_history(body: JSON, prompt_id: str) -> RunResult | None:
    """
    Read ``GET /history/{prompt_id}``; None while it has no entry.

    ``status_str`` is not believed: it says ``success`` of a cycle found at run time. The messages tell.
    """
    entry = _object(body).get(prompt_id)
    return parse_entry(entry) if isinstance(entry, dict) else None


def parse_entry(entry: JSONObject) -> RunResult:
    """Read one entry of the history. Source: ComfyUI ``execution.py``, ``PromptQueue.task_done`` (0.3.64)."""
    status = _object(entry.get("status"))
    messages = [(each[0], _object(each[1])) for each in _list(status.get("messages")) if _is_pair(each)]
    error = _error_in(messages)
    if error is None and status.get("status_str") == "error":
        error = RunFailed("the run failed, and the server does not say why")
    state = RunStatus.COMPLETED
    if error is not None:
        state = RunStatus.CANCELLED if isinstance(error, RunCancelled) else RunStatus.FAILED
    outputs = {_shown_id(node_id, entry): _object(each) for node_id, each in _object(entry.get("outputs")).items()}
    return RunResult(
        status=state,
        files=tuple(_files(outputs)),
        values=outputs,
        error=error,
        execution_s=_execution_s(messages),
    )


def _error_in(messages: Sequence[tuple[Any, JSONObject]]) -> RunError | None:
    for kind, data in messages:
        if kind == "execution_interrupted":
            return RunCancelled(f"the run was interrupted at node {data.get('node_id')} ({data.get('node_type')})")
        if kind == "execution_error" and data.get("exception_type") != _BLOCKED:
            return node_failure(data)
    return None


def node_failure(data: JSONObject) -> RunFailed:
    """Return what an ``execution_error`` says."""
    exception_type = str(data.get("exception_type") or "an error")
    message = str(data.get("exception_message") or "").strip()
    memory = exception_type.rpartition(".")[2] in ("OutOfMemoryError", "MemoryError")
    return (OutOfMemory if memory else RunFailed)(
        f"node {data.get('node_id')} ({data.get('node_type')}) raised {exception_type}: {message}",
        node_id=_text(data.get("node_id")),
        class_type=_text(data.get("node_type")),
        exception_type=exception_type,
        hint="name a larger accelerator in the manifest, or make the picture or batch smaller" if memory else None,
    )


def _shown_id(node_id: str, entry: JSONObject) -> str:
    """Return the node of the prompt that made an output: nodes made by expansion have ids such as ``2.0.0.3``."""
    shown = _object(_object(entry.get("meta")).get(node_id)).get("display_node")
    return shown if isinstance(shown, str) else node_id


def _files(outputs: Mapping[str, JSONObject]) -> Iterator[OutputFile]:
    for node_id, by_key in outputs.items():
        for key, items in by_key.items():
            for item in _list(items):
                if isinstance(item, dict) and isinstance(item.get("filename"), str):
                    subfolder, kind = item.get("subfolder"), item.get("type")
                    yield OutputFile(
                        node_id=node_id,
                        key=key,
                        filename=item["filename"],
                        subfolder=subfolder if isinstance(subfolder, str) else "",
                        kind=kind if isinstance(kind, str) else "output",
                    )


def _execution_s(messages: Sequence[tuple[Any, JSONObject]]) -> float | None:
    stamps = [data["timestamp"] for _, data in messages if isinstance(data.get("timestamp"), int | float)]
    return (max(stamps) - min(stamps)) / 1000 if len(stamps) > 1 else None


# The queue


@dataclass(frozen=True, slots=True)
class Queue:
    """Ids of the prompts of a server: the running ones, and those that wait, next first."""

    running: tuple[str, ...]
    pending: tuple[str, ...]

    def __contains__(self, prompt_id: object) -> bool:
        return prompt_id in self.running or prompt_id in self.pending

    def has_surplus(self, prompt_id: str) -> bool:
        """Whether a prompt runs and waits at the same time: it was queued twice."""
        return prompt_id in self.running and prompt_id in self.pending


def parse_queue(body: JSON) -> Queue:
    """
    Read ``GET /queue``; items come in heap order and are sorted by their number.

    Raises:
        ProtocolMismatch: It is none.
    """
    if not isinstance(body, dict) or not {"queue_running", "queue_pending"} <= body.keys():
        raise ProtocolMismatch("the reply to GET /queue is none", hint="is this a ComfyUI server?")
    return Queue(_prompt_ids(body["queue_running"]), _prompt_ids(body["queue_pending"]))


def _prompt_ids(items: JSON) -> tuple[str, ...]:
    queued = [item for item in _list(items) if isinstance(item, list) and len(item) > 1 and isinstance(item[1], str)]
    return tuple(item[1] for item in sorted(queued, key=lambda item: _number(item[0])))


# The socket


@dataclass(frozen=True, slots=True)
class Ended:
    """The socket says that a run has ended; the history tells how."""

    prompt_id: str


def parse_message(body: JSON) -> Iterator[NodeProgress | Ended]:
    """
    Read one text frame.

    Frames without a ``prompt_id`` are passed over: after a reconnect they may speak of anybody's run.
    """
    if not isinstance(body, dict):
        return
    kind, data = body.get("type"), _object(body.get("data"))
    prompt_id = data.get("prompt_id")
    if not isinstance(prompt_id, str):
        return
    if kind in _ENDS and data.get("exception_type") != _BLOCKED:
        yield Ended(prompt_id)
    elif kind == "execution_start":
        yield NodeProgress(prompt_id, "started")
    elif kind == "execution_cached":
        yield from (NodeProgress(prompt_id, "cached", str(each)) for each in _list(data.get("nodes")))
    else:
        yield from _node_message(str(kind), data, prompt_id)


def _node_message(kind: str, data: JSONObject, prompt_id: str) -> Iterator[NodeProgress | Ended]:
    node_id = _text(data.get("display_node") or data.get("node"))
    if kind == "executing":
        yield Ended(prompt_id) if node_id is None else NodeProgress(prompt_id, "running", node_id)
    elif kind == "progress" and node_id is not None:
        value, maximum = _number(data.get("value")), _number(data.get("max"))
        yield NodeProgress(prompt_id, "progress", node_id, value=value, maximum=maximum)
    elif kind == "executed" and node_id is not None:
        yield NodeProgress(prompt_id, "finished", node_id)


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture of work in progress; older servers do not say whose."""

    image: bytes
    prompt_id: str | None = None
    node_id: str | None = None


def parse_binary(frame: bytes) -> Preview | None:
    """Read one binary frame: a big-endian event type, then what belongs to it. None for what is no preview."""
    from json import JSONDecodeError, loads

    if len(frame) < 8:
        return None
    kind, head = struct.unpack(">II", frame[:8])
    if kind == _PREVIEW:
        return Preview(frame[8:])
    if kind != _PREVIEW_WITH_METADATA or len(frame) < 8 + head:
        return None
    try:
        metadata = _object(loads(frame[8 : 8 + head]))
    except (JSONDecodeError, UnicodeDecodeError):
        return None
    node_id = metadata.get("display_node_id") or metadata.get("node_id")
    return Preview(frame[8 + head :], _text(metadata.get("prompt_id")), _text(node_id))


# Reading what comes from outside


def _object(value: JSON) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _list(value: JSON) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: JSON) -> str | None:
    return str(value) if isinstance(value, str | int) else None


def _number(value: JSON) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _is_pair(value: JSON) -> bool:
    return isinstance(value, list) and len(value) == 2
