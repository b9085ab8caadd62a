"""Why a run of the API failed, and why it refused one."""

import re
from collections.abc import Iterator, Mapping

import httpx

from comfypipe._types import JSON, JSONObject
from comfypipe.errors import (
    AuthenticationFailed,
    BackendError,
    BackendRejected,
    OutOfMemory,
    PromptInvalid,
    RunCancelled,
    RunError,
    RunFailed,
    RunTimedOut,
)

_MEMORY = re.compile(r"out of memory|allocation on device|outofmemoryerror", re.IGNORECASE)
_CREDIT = "add credit to the account, or run it elsewhere: --backend"
_INVALID = "invalid_prompt"


def error_of(run: JSONObject, state: str) -> RunError | None:
    """
    Return why a run did not complete; None where it says nothing of an error.

    ComfyICU leaves ``error`` null, and puts an object into ``output``; our own service fills ``error``.
    """
    word = state.upper()
    if word in ("CANCELLED", "CANCELED"):
        return RunCancelled("the run was cancelled")
    if word == "TIMEOUT":
        return RunTimedOut("the service ended the run, as it took too long", hint="its own limit, not the manifest's")
    if word == "INSUFFICIENT_CREDIT":
        return RunFailed("the account has not enough credit for the run", hint=_CREDIT)
    shown = run.get("error")
    if not shown and isinstance(run.get("output"), dict):
        shown = run["output"].get("error")
    if isinstance(shown, str):
        return _failure(shown, "", {})
    return _from_object(shown) if isinstance(shown, dict) and shown else None


def _from_object(shown: JSONObject) -> RunError:
    """Read an error object: ComfyICU's, with ``exception_…`` and ``details``, or our own service's."""
    details = _object(shown.get("details"))
    inner = _object(details.get("error"))
    kind = str(shown.get("exception_type") or inner.get("type") or shown.get("type") or "")
    lines = [
        _joined(shown.get("exception_message") or shown.get("message") or inner.get("message"), inner.get("details")),
        *node_error_lines(_object(details.get("node_errors")) or _object(shown.get("node_errors"))),
    ]
    extra = _object(shown.get("extra_info")) or _object(inner.get("extra_info"))
    found = {
        "node_id": shown.get("node_id") or extra.get("node_id") or _named_node(inner.get("details")),
        "class_type": shown.get("class_type") or shown.get("node_type") or extra.get("node_type"),
    }
    return _failure("\n  ".join(filter(None, lines)), kind, found)


def _named_node(details: JSON) -> str | None:
    """Return the node that ComfyUI's ``Node ID '#7'`` names."""
    named = re.search(r"#(\S+?)'?$", str(details or ""))
    return named[1] if named else None


def _failure(message: str, kind: str, found: Mapping[str, JSON]) -> RunError:
    node_id, class_type = (
        str(each) if each is not None else None for each in (found.get("node_id"), found.get("class_type"))
    )
    if kind == "RunCancelled":
        return RunCancelled(message or "the run was cancelled")
    memory = kind.rpartition(".")[2] in ("OutOfMemoryError", "MemoryError", "OutOfMemory") or bool(
        _MEMORY.search(message)
    )
    hint = None
    if memory:
        hint = "name a larger accelerator in the manifest, or make the picture or batch smaller"
    elif kind == _INVALID:
        hint = "the service found this out when the run began: it has not all that the prompt needs"
    where = f"node {node_id} ({class_type}) " if node_id and class_type and not message.startswith("node ") else ""
    raised = f"{where}raised {kind}: " if where and kind else f"{kind}: " if kind and kind not in message else ""
    return (OutOfMemory if memory else RunFailed)(
        f"{raised}{message}"
        if message
        else f"the run failed with {kind or 'an error'}, and the service does not say why",
        node_id=node_id,
        class_type=class_type,
        exception_type=kind or None,
        hint=hint,
    )


# Refusals


def refusal(status: int, body: JSON, who: str) -> BackendError | PromptInvalid:
    """
    Return what a 4xx to the creation of a run means.

    Error bodies carry ``error``, ``message`` or both; ComfyUI's own form, with ``node_errors``, is read as well.

    Args:
        who: The API, for messages.
    """
    told = words_of(body)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return AuthenticationFailed(f"{who} answers HTTP {status}: {told}", hint="is the key right, and still valid?")
    if status == httpx.codes.PAYMENT_REQUIRED:
        return BackendRejected(f"{who}: {told}", hint=_CREDIT)
    if status == httpx.codes.NOT_FOUND:
        return BackendRejected(f"{who} has no such workflow: {told}", hint="is workflow_id right?")
    invalid = _invalid_prompt(body, told)
    return invalid or BackendRejected(f"{who} refused the run with HTTP {status}: {told}")


def _invalid_prompt(body: JSON, told: str) -> PromptInvalid | None:
    found = _object(body)
    error = next((found[key] for key in ("prompt_error", "details", "error") if isinstance(found.get(key), dict)), None)
    node_errors = _object(found.get("node_errors"))
    if error is None and not node_errors:
        return None
    lines = [
        _joined(_object(error).get("message"), _object(error).get("details")) or told,
        *node_error_lines(node_errors),
    ]
    return PromptInvalid("\n  ".join(lines), error=error, node_errors=node_errors)


def is_about_accelerator(body: JSON) -> bool:
    """Whether a refusal is one of the accelerator: unknown to the API, or none of it to be had."""
    found = _object(body)
    return "accelerator" in f"{found.get('error')} {found.get('message')}".lower()


def words_of(body: JSON) -> str:
    """Return what an error body says."""
    found = _object(body)
    error, message = found.get("error"), found.get("message")
    if isinstance(error, dict):
        message, error = message or error.get("message"), error.get("type")
    said = message if isinstance(message, str) and message else error
    return str(said)[:500] if said else "it does not say why"


def node_error_lines(node_errors: JSONObject) -> Iterator[str]:
    """Yield what is wrong with each node, a line each."""
    for node_id, entry in node_errors.items():
        for each in _object(entry).get("errors") or ():
            told = _joined(_object(each).get("message"), _object(each).get("details"))
            yield f"node {node_id} ({_object(entry).get('class_type')}): {told}"


def _joined(*parts: JSON) -> str:
    return ": ".join(str(part) for part in parts if part)


def _object(value: JSON) -> JSONObject:
    return value if isinstance(value, dict) else {}
