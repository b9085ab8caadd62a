"""One input of a node against its declaration: literals are converted and compared, links have their types matched."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from comfypipe._types import JSON, JSONObject
from comfypipe.diagnostics import did_you_mean
from comfypipe.prompt.object_info import InputInfo

UPLOADS = ("image_upload", "video_upload", "audio_upload", "animated_image_upload", "file_upload")
"""Options of combos whose list is that of the files on one server: a file that is to be uploaded is not in it yet."""

_LONG_LIST = 20  # ComfyUI names longer lists by their length alone
_CONVERT: Mapping[str, Callable[[Any], JSON]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


class Problem(Struct, frozen=True):
    """What is wrong with an input: ComfyUI's ``type``, ``message``, ``details``, ``extra_info``, and a hint."""

    type: str
    message: str
    details: str
    extra_info: JSONObject
    hint: str | None = None


def convert_literal(kind: str, value: JSON) -> JSON:
    """
    Return *value* as ComfyUI hands it to a node whose input has type *kind*.

    Raises:
        ValueError, TypeError, OverflowError: As ``int`` and ``float`` do.
    """
    convert = _CONVERT.get(kind)
    return value if convert is None else convert(value)


def check_literal(info: InputInfo, value: JSON) -> Problem | None:
    """
    Check a literal: its type, then its range, then the choices.

    Raises:
        TypeError: A range is declared for a value that cannot be compared, as ComfyUI does.

    Source: ComfyUI ``execution.py``, ``validate_inputs`` (0.3.64).
    """
    if isinstance(value, dict) and "__value__" in value:  # how a list is written that is no link
        value = value["__value__"]
    try:
        convert = _CONVERT.get(info.type)
        converted = value if convert is None else convert(value)
    except (ValueError, TypeError, OverflowError) as error:
        return _unconvertible(info, value, error)
    options = info.options
    if "min" in options and converted < options["min"]:
        return _out_of_range(info, converted, "smaller", "min")
    if "max" in options and converted > options["max"]:
        return _out_of_range(info, converted, "bigger", "max")
    if info.choices_checked and info.choices is not None and converted not in info.choices and not uploadable(info):
        return _not_in_list(info, converted, info.choices)
    return None


def missing_input(info: InputInfo) -> Problem:
    """Return what is said of a required input that is not there."""
    return Problem("required_input_missing", "Required input is missing", info.name, {"input_name": info.name})


def bad_link(info: InputInfo, value: JSON) -> Problem:
    """Return what is said of a list that has not two items."""
    return Problem(
        "bad_linked_input",
        "Bad linked input, must be a length-2 list of [node_id, slot_index]",
        info.name,
        _about(info) | {"received_value": value},
        'a list that is no link is written {"__value__": [...]}',
    )


def type_mismatch(info: InputInfo, received: JSON, link: JSON) -> Problem:
    """Return what is said of a link whose output has another type than the input takes."""
    return Problem(
        "return_type_mismatch",
        "Return type mismatch between linked nodes",
        f"{info.name}, received_type({received}) mismatch input_type({declared_type(info)})",
        _about(info) | {"received_type": received, "linked_node": link},
    )


def input_config(info: InputInfo) -> JSON:
    """Return the declaration as ComfyUI repeats it in errors: type and options."""
    return [declared_type(info), dict(info.options)]


def declared_type(info: InputInfo) -> JSON:
    """Return the type as the server gave it: a name, or the list of a combo in V1 form."""
    return info.raw[0] if isinstance(info.raw, list) and info.raw else info.type


def types_fit(received: JSON, wanted: JSON) -> bool:
    """
    Whether an output of type *received* can feed an input of type *wanted*.

    Equal, or a wildcard, or two unions (``"INT,FLOAT"``) with something in common.

    Source: ComfyUI ``comfy_execution/validation.py``, ``validate_node_input`` (0.3.64).
    """
    if received in ("*", wanted) or wanted == "*":
        return True
    if not isinstance(received, str) or not isinstance(wanted, str):
        return False
    given = {each.strip() for each in received.split(",")}
    taken = {each.strip() for each in wanted.split(",")}
    return "*" in given or "*" in taken or not given.isdisjoint(taken)


def uploadable(info: InputInfo) -> bool:
    """Whether the choices are files that can be uploaded."""
    return any(info.options.get(name) for name in UPLOADS)


def _about(info: InputInfo) -> JSONObject:
    return {"input_name": info.name, "input_config": input_config(info)}


def _unconvertible(info: InputInfo, value: JSON, error: Exception) -> Problem:
    return Problem(
        "invalid_input_type",
        f"Failed to convert an input value to a {info.type} value",
        f"{info.name}, {value}, {error}",
        _about(info) | {"received_value": value, "exception_message": str(error)},
    )


def _out_of_range(info: InputInfo, value: JSON, comparison: str, bound: str) -> Problem:
    return Problem(
        f"value_{comparison}_than_{bound}",
        f"Value {value} {comparison} than {bound} of {info.options[bound]}",
        info.name,
        _about(info) | {"received_value": value},
    )


def _not_in_list(info: InputInfo, value: JSON, choices: tuple[JSON, ...]) -> Problem:
    long = len(choices) > _LONG_LIST
    listed = f"(list of length {len(choices)})" if long else str(list(choices))
    config = None if long else input_config(info)
    return Problem(
        "value_not_in_list",
        "Value not in list",
        f"{info.name}: '{value}' not in {listed}",
        {"input_name": info.name, "input_config": config, "received_value": value},
        did_you_mean(str(value), [str(choice) for choice in choices]),
    )
