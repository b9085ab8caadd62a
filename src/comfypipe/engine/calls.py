"""Calling a node's function: once, or once for each item where lists are passed."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from comfypipe._types import JSONObject
from comfypipe.engine.cache import Entry
from comfypipe.engine.registry import Context, NodeClass, Result
from comfypipe.engine.values import freeze


@cache
def declares(function: Callable[..., Any], name: str) -> bool:
    """Tell whether *function* has a parameter *name* of its own."""
    return name in inspect.signature(function).parameters


@cache
def accepts(function: Callable[..., Any], name: str) -> bool:
    """Tell whether *function* has a parameter *name*, or takes any."""
    parameters = inspect.signature(function).parameters.values()
    return declares(function, name) or any(each.kind is each.VAR_KEYWORD for each in parameters)


def call_node(
    node_class: NodeClass,
    inputs: Mapping[str, Sequence[Any]],
    context: Context | None,
    before_call: Callable[[], None],
) -> Entry:
    """
    Run a node.

    Every input is a list of values. A function is called as often as the longest list is long; shorter ones repeat
    their last value. Classes with ``input_is_list`` get the lists themselves, in one call.

    Args:
        context: Passed on as ``context``, unless None.
        before_call: Called before each call; raises where the run is to stop.

    Source: ComfyUI ``execution.py``, ``get_output_data`` (0.3.64).
    """
    extra = {} if context is None else {"context": context}
    results = []
    for arguments in _arguments(node_class, inputs):
        before_call()
        results.append(_result(node_class, node_class.function(**arguments, **extra)))
    return Entry(_merge_outputs(node_class, results), _merge_ui(results))


def _arguments(node_class: NodeClass, inputs: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    if node_class.input_is_list:
        return [{name: list(values) for name, values in inputs.items()}]
    empty = [name for name, values in inputs.items() if not values]
    if empty:
        raise IndexError(f"{node_class.class_type} got an empty list for its input {', '.join(empty)}")
    count = max(map(len, inputs.values()), default=1)
    return [{name: values[min(index, len(values) - 1)] for name, values in inputs.items()} for index in range(count)]


def _result(node_class: NodeClass, returned: "tuple[Any, ...] | Result") -> Result:
    result = returned if isinstance(returned, Result) else Result(tuple(returned))
    if len(result.outputs) != len(node_class.outputs):
        raise TypeError(
            f"{node_class.class_type} returned {len(result.outputs)} values for its {len(node_class.outputs)} outputs"
        )
    return result


def _merge_outputs(node_class: NodeClass, results: Sequence[Result]) -> tuple[tuple[Any, ...], ...]:
    slots = []
    for index, spec in enumerate(node_class.outputs):
        values = [each.outputs[index] for each in results]
        slots.append(tuple(freeze(item) for value in values for item in (value if spec.is_list else (value,))))
    return tuple(slots)


def _merge_ui(results: Sequence[Result]) -> JSONObject | None:
    shown = [each.ui for each in results if each.ui is not None]
    if len(shown) < 2:  # as it is: a node may show what is no list
        return shown[0] if shown else None
    return {key: [item for ui in shown for item in ui.get(key, ())] for key in shown[0]}
