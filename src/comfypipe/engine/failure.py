"""An exception of a node, in the shape in which ComfyUI reports it."""

import traceback
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from comfypipe.engine import calls
from comfypipe.engine.events import RunFailed
from comfypipe.engine.values import describe


def failure_of(
    error: Exception,
    *,
    prompt_id: str,
    node_id: str,
    class_type: str,
    executed: Sequence[str],
    inputs: Mapping[str, Sequence[Any]],
    known_nodes: Sequence[str],
) -> RunFailed:
    """Describe *error*, raised by node *node_id* when it was given *inputs*."""
    return RunFailed(
        prompt_id=prompt_id,
        node_id=node_id,
        class_type=class_type,
        executed=tuple(executed),
        message=f"{error}\n",
        exception_type=qualified_name(type(error)),
        traceback=tuple(traceback.format_tb(_below_engine(error.__traceback__))),
        current_inputs={name: [describe(value) for value in values] for name, values in inputs.items()},
        known_nodes=tuple(known_nodes),
        errno=error.errno if isinstance(error, OSError) else None,
    )


def qualified_name(kind: type) -> str:
    """Return the name of a type with its module, which built-in ones go without."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _below_engine(trace: TracebackType | None) -> TracebackType | None:
    # The frames down to the call are the same every time; those after it are the node's.
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename != calls.__file__:
        trace = trace.tb_next
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == calls.__file__:
        trace = trace.tb_next
    return trace
