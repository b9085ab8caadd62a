"""Why a run failed, as it is stored and shown."""

from comfypipe._types import JSONObject
from comfypipe.errors import ComfypipeError, PromptInvalid, RunCancelled, RunFailed

CANCELLED: JSONObject = {"type": "cancelled", "message": "the run was cancelled"}


def failure_of(error: BaseException) -> JSONObject:
    """
    Return what is told of an error: ComfyUI's ``type``, ``message`` and ``details``, with what else is known.

    An error that nobody foresaw is told by its type alone: its words may hold anything.
    """
    if isinstance(error, PromptInvalid):
        return {
            **error.error,
            "message": _said(error),
            "node_errors": error.node_errors,
            "exception_type": error.error.get("type", "invalid_prompt"),
        }
    if isinstance(error, RunCancelled):
        return CANCELLED | {"message": error.message}
    if isinstance(error, RunFailed):
        return {
            "type": "execution_error",
            "message": error.message,
            "details": f"Node ID '#{error.node_id}'" if error.node_id else "",
            "extra_info": {"node_id": error.node_id, "node_type": error.class_type},
            "exception_type": error.exception_type or type(error).__name__,
        }
    if isinstance(error, ComfypipeError):
        return {"type": _kind(error), "message": _said(error), "exception_type": type(error).__name__}
    return {"type": "internal", "message": f"the service failed: {type(error).__name__}"}


def _kind(error: ComfypipeError) -> str:
    """Return the class's name in snake case, as ComfyUI names kinds of errors: ``download_refused``."""
    name = type(error).__name__
    return "".join(f"_{each.lower()}" if each.isupper() and at else each.lower() for at, each in enumerate(name))


def _said(error: ComfypipeError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
