"""Manifests as YAML text, written as a person would: short entries in one line, long texts as blocks."""

import json
import re

from comfypipe._types import JSON, JSONObject

_WIDTH = 110
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?@!$&'()*+;=%-]*[A-Za-z0-9/]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+-]+)*")
_SPECIAL = re.compile(r"(?i)(true|false|yes|no|on|off|y|n|null|none|nan|inf)")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_BLOCK = re.compile(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]*")


def yaml_text(document: JSONObject) -> str:
    """Return *document*, a mapping of JSON values, as YAML 1.2."""
    return "".join(entry_text(name, value, "") for name, value in document.items())


def entry_text(name: str, value: JSON, indent: str) -> str:
    """Return an entry of a mapping at *indent*, whose own entries get a line each only as far as they have to."""
    start = f"{indent}{scalar(name)}:"
    if isinstance(value, str) and "\n" in value and _fits_block(value):
        return f"{start} {_block(value, indent + '  ')}"
    if isinstance(value, dict | list) and value and not (indent and _is_short(value, len(start) + 1)):
        return f"{start}\n{_nested(value, indent + '  ')}"
    if isinstance(value, str) and _ADDRESS.fullmatch(value):
        return f"{start} {value}\n"  # in one line with others its colon would have to be quoted
    return f"{start} {flow(value)}\n"


def _nested(value: JSON, indent: str) -> str:
    if isinstance(value, dict):
        return "".join(entry_text(name, each, indent) for name, each in value.items())
    return "".join(item_text(each, indent) for each in value)


def item_text(value: JSON, indent: str) -> str:
    """Return an item of a list at *indent*."""
    return f"{indent}- {_item(value, indent)}"


def _item(value: JSON, indent: str) -> str:
    if isinstance(value, dict) and value and (len(value) == 1 or not _is_short(value, len(indent) + 2)):
        return _nested(value, f"{indent}  ")[len(indent) + 2 :]
    return f"{flow(value)}\n"


def _is_short(value: JSON, used: int) -> bool:
    return used + len(flow(value)) <= _WIDTH and not _holds_lines(value)


def _holds_lines(value: JSON) -> bool:
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_holds_lines(each) or (isinstance(each, str) and "\n" in each) for each in held)


def flow(value: JSON) -> str:
    """Return *value* in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(name)}: {flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(each) for each in value) + "]"
    return scalar(value)


def scalar(value: JSON) -> str:
    """Return a single value: plain where no reader can take it for anything else, quoted otherwise."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and not _SPECIAL.fullmatch(value) and len(value) <= 200:
        return value
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def _fits_block(text: str) -> bool:
    """Tell whether *text* can be a block scalar: readable characters, no blank at its start or the ends of lines."""
    lines = text.split("\n")
    return (
        _BLOCK.fullmatch(text) is not None
        and not lines[0].startswith((" ", "\t"))
        and bool(lines[0])
        and not any(line != line.rstrip() for line in lines)
        and not text.endswith("\n\n")
    )


def _block(text: str, indent: str) -> str:
    style = "|" if text.endswith("\n") else "|-"
    lines = text.removesuffix("\n").split("\n")
    return f"{style}\n" + "".join(f"{indent}{line}\n" if line else "\n" for line in lines)
