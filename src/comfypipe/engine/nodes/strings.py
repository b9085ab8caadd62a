"""Nodes on text: join, cut, change case, compare, regular expressions. Source: ComfyUI ``nodes_string`` (0.3.64)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from comfypipe._types import JSON
from comfypipe.engine.registry import InputSpec, NodeClass, combo, integer, optional, outputs, required


def concatenate(string_a: str, string_b: str, delimiter: str) -> tuple[str]:
    """Join two texts with *delimiter* between them."""
    return (delimiter.join((string_a, string_b)),)


def substring(string: str, start: int, end: int) -> tuple[str]:
    """Cut out ``string[start:end]``; negative places count from the end."""
    return (string[start:end],)


def length(string: str) -> tuple[int]:
    """Count code points."""
    return (len(string),)


_CASES: Mapping[str, Callable[[str], str]] = {
    "UPPERCASE": str.upper,
    "lowercase": str.lower,
    "Capitalize": str.capitalize,
    "Title Case": str.title,
}


def convert_case(string: str, mode: str) -> tuple[str]:
    """Change the case of letters; a *mode* that is none of the choices leaves the text as it is."""
    return (_CASES.get(mode, str)(string),)


_TRIMS: Mapping[str, Callable[[str], str]] = {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}


def trim(string: str, mode: str) -> tuple[str]:
    """Strip white space from one end or both; an unknown *mode* leaves the text as it is."""
    return (_TRIMS.get(mode, str)(string),)


def replace_text(string: str, find: str, replace: str) -> tuple[str]:
    """Replace every *find*."""
    return (string.replace(find, replace),)


def contains(string: str, substring: str, case_sensitive: bool) -> tuple[bool]:
    """Tell whether *substring* is in *string*."""
    if not case_sensitive:
        string, substring = string.lower(), substring.lower()
    return (substring in string,)


_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "Starts With": str.startswith,
    "Ends With": str.endswith,
    "Equal": str.__eq__,
}


def compare(string_a: str, string_b: str, mode: str, case_sensitive: bool) -> tuple[bool]:
    """
    Tell whether *string_a* starts with, ends with or equals *string_b*.

    Raises:
        ValueError: *mode* is none of the choices.
    """
    if mode not in _COMPARISONS:
        raise ValueError(f"StringCompare: mode is {mode!r}, expected one of {', '.join(_COMPARISONS)}")
    if not case_sensitive:
        string_a, string_b = string_a.lower(), string_b.lower()
    return (_COMPARISONS[mode](string_a, string_b),)


def regex_match(string: str, regex_pattern: str, case_insensitive: bool, multiline: bool, dotall: bool) -> tuple[bool]:
    """Tell whether the pattern is found; a pattern that is not one is never found."""
    try:
        return (re.search(regex_pattern, string, _flags(case_insensitive, multiline, dotall)) is not None,)
    except re.error:
        return (False,)


def regex_extract(
    string: str,
    regex_pattern: str,
    mode: str,
    case_insensitive: bool,
    multiline: bool,
    dotall: bool,
    group_index: int,
) -> tuple[str]:
    """
    Take matches, or groups of them, out of a text; several are joined by line breaks, none gives ``""``.

    ``All Matches`` gives the first group where the pattern has groups. A group that took no part in its match counts as
    empty. A pattern that is not one, and a *mode* that is none of the choices, give ``""``.
    """
    try:
        found = list(re.finditer(regex_pattern, string, _flags(case_insensitive, multiline, dotall)))
    except re.error:
        return ("",)
    return ("\n".join(_extract(found, mode, group_index)),)


def _extract(found: list[re.Match[str]], mode: str, group_index: int) -> list[str]:
    if not found:
        return []
    groups = found[0].re.groups
    if mode == "First Match":
        return [found[0].group()]
    if mode == "All Matches":
        return [_group(each, min(groups, 1)) for each in found]
    if mode == "First Group" and group_index <= groups:
        return [_group(found[0], group_index)]
    if mode == "All Groups" and 0 < groups >= group_index:
        return [_group(each, group_index) for each in found]
    return []


def _group(match: re.Match[str], index: int) -> str:
    return match.group(index) or ""


def regex_replace(
    string: str,
    regex_pattern: str,
    replace: str,
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
    count: int = 0,
) -> tuple[str]:
    """
    Replace matches by *replace*, in which a backslash and number stand for a group; *count* 0 means all of them.

    Raises:
        re.error: The pattern is not one.
    """
    flags = _flags(case_insensitive, multiline, dotall)
    return (re.sub(regex_pattern, replace, string, count=count, flags=flags),)


def _flags(case_insensitive: bool, multiline: bool, dotall: bool) -> re.RegexFlag:
    given = {re.IGNORECASE: case_insensitive, re.MULTILINE: multiline, re.DOTALL: dotall}
    flags = re.RegexFlag(0)
    for flag, wanted in given.items():
        flags |= flag if wanted else re.RegexFlag(0)
    return flags


def _text() -> InputSpec:
    return required("STRING", multiline=True)


def _switch(default: bool, **kwargs: JSON) -> InputSpec:
    return required("BOOLEAN", default=default, **kwargs)


def _node(
    class_type: str,
    display_name: str,
    function: Callable[..., tuple[Any, ...]],
    inputs: Mapping[str, InputSpec],
    output: str = "STRING",
    name: str = "",
) -> NodeClass:
    return NodeClass(
        class_type,
        function,
        inputs,
        outputs(output, names=(name,)),
        schema="v3",
        category="utils/string",
        display_name=display_name,
        description=(function.__doc__ or "").strip().partition("\n")[0],
        module="comfy_extras.nodes_string",
    )


_PATTERN: Mapping[str, InputSpec] = {"string": _text(), "regex_pattern": _text()}
_SWITCHES: Mapping[str, InputSpec] = {
    "case_insensitive": _switch(default=True),
    "multiline": _switch(default=False),
    "dotall": _switch(default=False),
}

NODES: tuple[NodeClass, ...] = (
    _node(
        "StringConcatenate",
        "Concatenate",
        concatenate,
        {"string_a": _text(), "string_b": _text(), "delimiter": required("STRING", default="", multiline=False)},
    ),
    _node(
        "StringSubstring",
        "Substring",
        substring,
        {"string": _text(), "start": integer(None), "end": integer(None)},
    ),
    _node("StringLength", "Length", length, {"string": _text()}, "INT", "length"),
    _node("CaseConverter", "Case Converter", convert_case, {"string": _text(), "mode": combo(*_CASES)}),
    _node("StringTrim", "Trim", trim, {"string": _text(), "mode": combo(*_TRIMS)}),
    _node("StringReplace", "Replace", replace_text, {"string": _text(), "find": _text(), "replace": _text()}),
    _node(
        "StringContains",
        "Contains",
        contains,
        {"string": _text(), "substring": _text(), "case_sensitive": _switch(default=True)},
        "BOOLEAN",
        "contains",
    ),
    _node(
        "StringCompare",
        "Compare",
        compare,
        {
            "string_a": _text(),
            "string_b": _text(),
            "mode": combo(*_COMPARISONS),
            "case_sensitive": _switch(default=True),
        },
        "BOOLEAN",
    ),
    _node("RegexMatch", "Regex Match", regex_match, {**_PATTERN, **_SWITCHES}, "BOOLEAN", "matches"),
    _node(
        "RegexExtract",
        "Regex Extract",
        regex_extract,
        {
            **_PATTERN,
            "mode": combo("First Match", "All Matches", "First Group", "All Groups"),
            **_SWITCHES,
            "group_index": integer(1, 0, 100),
        },
    ),
    _node(
        "RegexReplace",
        "Regex Replace",
        regex_replace,
        {
            **_PATTERN,
            "replace": _text(),
            "case_insensitive": optional("BOOLEAN", default=True),
            "multiline": optional("BOOLEAN", default=False),
            "dotall": optional("BOOLEAN", default=False),
            "count": InputSpec("INT", {"default": 0, "min": 0, "max": 100}, optional=True),
        },
    ),
)
