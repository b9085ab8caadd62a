"""ComfyICU's API as values: dicts in, typed values out. Nothing here talks, so kept replies can test it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from comfypipe._types import JSON, JSONObject
from comfypipe.backends.base import NodeProgress, OutputFile, RunResult, RunStatus
from comfypipe.backends.comfyicu.failures import error_of
from comfypipe.backends.comfyicu.marks import read_name, saving_nodes
from comfypipe.errors import ProtocolMismatch, RunError, RunFailed

_STATUS: Mapping[str, RunStatus] = {
    "QUEUED": RunStatus.QUEUED,
    "STARTED": RunStatus.RUNNING,
    "RUNNING": RunStatus.RUNNING,
    "COMPLETED": RunStatus.COMPLETED,
    "ERROR": RunStatus.FAILED,
    "FAILED": RunStatus.FAILED,
    "TIMEOUT": RunStatus.FAILED,
    "INSUFFICIENT_CREDIT": RunStatus.FAILED,
    "CANCELLED": RunStatus.CANCELLED,
    "CANCELED": RunStatus.CANCELLED,
}
_KEYS = {".png": "images", ".jpg": "images", ".jpeg": "images", ".webp": "images", ".gif": "images"}
_KEYS |= {".flac": "audio", ".mp3": "audio", ".opus": "audio", ".wav": "audio", ".ogg": "audio"}
_KEYS |= {".mp4": "images", ".webm": "images", ".latent": "latents"}
"""By suffix, the key that ComfyUI's nodes show such files under."""


@dataclass(frozen=True, slots=True)
class ApiRun:
    """
    A run, as the API shows it.

    Attributes:
        state: The status as it is written there.
        status: What it means; None for a word that nobody knows, of a run that has not ended.
        workflow_id: The workflow that it belongs to, where it says so.
        created_at: When it was made, by the API's clock.
        prompt: What was submitted, where it is shown.
        result: How it ended; None while it goes on.
    """

    id: str
    state: str
    status: RunStatus | None
    workflow_id: str | None = None
    created_at: datetime | None = None
    prompt: JSON = None
    result: RunResult | None = field(default=None, compare=False)


def request_body(
    prompt: JSONObject,
    *,
    workflow_id: str,
    files: Mapping[str, str],
    accelerator: str | None,
    webhook: str | None,
    more: JSONObject | None = None,
) -> JSONObject:
    """
    Return the body that makes a run.

    Args:
        files: By place in ComfyUI's folder, ``/input/photo.png``, where the other side fetches it.
        more: What only our own service takes.
    """
    body: JSONObject = {"workflow_id": workflow_id, "prompt": prompt}
    optional: JSONObject = {"files": dict(files), "accelerator": accelerator, "webhook": webhook}
    return body | {name: value for name, value in optional.items() if value} | (more or {})


def parse_created(body: JSON) -> str:
    """
    Return the id of the run that was made.

    Raises:
        ProtocolMismatch: There is none in the reply.
    """
    run_id = _object(body).get("id")
    if not isinstance(run_id, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", run_id):
        raise ProtocolMismatch(
            "the reply to the creation of a run has no id", hint="does another service listen there?"
        )
    return run_id


def parse_runs(body: JSON) -> tuple[ApiRun, ...]:
    """Read a list of runs: a bare array, or one below a key; what is no run is passed over."""
    items = body
    if isinstance(body, dict):
        items = next((body[key] for key in ("runs", "data", "items") if isinstance(body.get(key), list)), None)
    if not isinstance(items, list):
        raise ProtocolMismatch("the list of runs is none", hint="does another service listen there?")
    return tuple(parse_run(each) for each in items if isinstance(each, dict) and isinstance(each.get("id"), str))


def parse_run(body: JSON, prompt: JSON = None) -> ApiRun:
    """
    Read a run object.

    Args:
        prompt: What was submitted, for a reply that does not show it.

    Raises:
        ProtocolMismatch: It is none.
    """
    run = _object(body)
    run_id, state = run.get("id"), run.get("status")
    if not isinstance(run_id, str) or not isinstance(state, str):
        raise ProtocolMismatch(
            "the reply is no run: it has no id or no status", hint="does another service listen there?"
        )
    shown = _object(run.get("data")).get("prompt") or prompt
    status = _status(state, run)
    return ApiRun(
        id=run_id,
        state=state,
        status=status,
        workflow_id=_text(run.get("workflow_id")),
        created_at=_time(run.get("created_at")),
        prompt=shown,
        result=_result(run, run_id, state, status, shown) if status is not None and status.final else None,
    )


def _status(state: str, run: JSONObject) -> RunStatus | None:
    """Return what a status means; of one that nobody knows the rest of the run tells whether it has ended."""
    known = _STATUS.get(state.upper())
    if known is RunStatus.FAILED and _object(run.get("comfypipe")).get("cancelled") is True:
        return RunStatus.CANCELLED  # our own service has ComfyICU's four words
    if known is not None or not run.get("completed_at"):
        return known
    return RunStatus.COMPLETED if _files_shown(run) and error_of(run, state) is None else RunStatus.FAILED


def _result(run: JSONObject, run_id: str, state: str, status: RunStatus, prompt: JSON) -> RunResult:
    error: RunError | None = None
    if status is not RunStatus.COMPLETED:
        said = "CANCELLED" if status is RunStatus.CANCELLED else state
        error = error_of(run, said) or RunFailed(f"the run ended as {state}, and the service does not say why")
    return RunResult(
        status=status,
        files=tuple(_files(run, run_id, prompt)) if status is RunStatus.COMPLETED else (),
        values={node_id: _object(entry) for node_id, entry in _object(run.get("values")).items()},
        error=error,
        simulated=run.get("simulated") is True,
        execution_s=execution_s(run, completed=status is RunStatus.COMPLETED),
    )


def execution_s(run: JSONObject, *, completed: bool) -> float | None:
    """
    Return how long a run took, in seconds.

    ``run_time`` is in milliseconds when it completed, and looks like seconds when it failed: where there are times, the
    reading that fits into them is taken.
    """
    started, ended = _time(run.get("started_at")), _time(run.get("completed_at"))
    passed = (ended - started).total_seconds() if started and ended else None
    told = run.get("run_time")
    if isinstance(told, bool) or not isinstance(told, int | float) or told < 0:
        return passed
    readings = (told / 1000, float(told))
    if passed is None or completed:
        return readings[0] if completed else readings[1]
    return min(readings, key=lambda reading: abs(reading - passed))


# Files


def _files(run: JSONObject, run_id: str, prompt: JSON) -> Iterator[OutputFile]:
    unmarked = saving_nodes(prompt)
    for shown, url, entry in _files_shown(run):
        place = PurePosixPath(_below_output(shown, run_id))
        marked, name = read_name(place.name)
        node_id = (
            _text(entry.get("node_id") or entry.get("node")) or marked or (unmarked[0] if len(unmarked) == 1 else "")
        )
        subfolder = _text(entry.get("subfolder"))
        yield OutputFile(
            node_id=node_id,
            key=_text(entry.get("key")) or _KEYS.get(place.suffix.lower(), "files"),
            filename=name,
            subfolder=(place.parent.as_posix() if str(place.parent) != "." else "") if subfolder is None else subfolder,
            url=url,
        )


def _files_shown(run: JSONObject) -> list[tuple[str, str, JSONObject]]:
    """Return name, URL and entry of every file: of a list of objects, or of a map from name to URL."""
    found: list[tuple[str, str, JSONObject]] = []
    for key in ("output", "outputs"):
        shown = run.get(key)
        if isinstance(shown, list):
            for each in filter(lambda each: isinstance(each, dict), shown):
                url = each.get("url")
                if isinstance(url, str):
                    found.append((str(each.get("filename") or url.partition("?")[0]), url, each))
        elif isinstance(shown, dict):
            found += [(name, url, {}) for name, url in shown.items() if name.startswith("/") and isinstance(url, str)]
        if found:
            break
    return found


def _below_output(shown: str, run_id: str) -> str:
    """Return a file's name below ComfyUI's output folder: shown as /workflows/W/output/RUN/NAME or /output/NAME."""
    for mark in (f"/output/{run_id}/", "/output/"):
        _, found, rest = shown.partition(mark)
        if found and rest:
            return rest
    return shown.rpartition("/")[2] or "file"


# Progress


def parse_progress(prompt_id: str, body: JSON) -> NodeProgress | None:
    """Read one event of our own service's stream about a node; None for what is none."""
    event = _object(body)
    state, node_id = event.get("state"), _text(event.get("node_id") or event.get("node"))
    if state not in ("cached", "running", "progress", "finished") or node_id is None:
        return None
    return NodeProgress(
        prompt_id,
        state,
        node_id,
        _text(event.get("class_type")),
        _number(event.get("value")),
        _number(event.get("maximum")),
    )


# Reading what comes from outside


def _object(value: JSON) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _text(value: JSON) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _number(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _time(value: JSON) -> datetime | None:
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return read if read is None or read.tzinfo else read.replace(tzinfo=UTC)
