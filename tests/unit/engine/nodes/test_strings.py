"""Text nodes do what ComfyUI's do."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.nodes.strings import NODES
from comfypipe.engine.registry import Registry

REGISTRY = Registry(NODES)


def run(class_type: str, *arguments: Any, **inputs: Any) -> Any:
    """Call a node that has one output and return that."""
    result = REGISTRY[class_type].function(*arguments, **inputs)
    assert isinstance(result, tuple)
    (value,) = result
    return value


@pytest.mark.parametrize(
    ("expected", "class_type", "arguments"),
    [
        ("foo--bar", "StringConcatenate", ("foo", "bar", "--")),
        ("defg", "StringSubstring", ("abcdefgh", -5, -1)),
        ("", "StringSubstring", ("abc", 2, 1)),
        (5, "StringLength", ("añ😀e\u0301",)),
        ("STRASSE", "CaseConverter", ("straße", "UPPERCASE")),
        ("hello it's ß", "CaseConverter", ("heLLo IT'S ß", "lowercase")),
        ("Hello world", "CaseConverter", ("heLLo wORLD", "Capitalize")),
        ("Hello It'S", "CaseConverter", ("hello it's", "Title Case")),
        ("as It is", "CaseConverter", ("as It is", "sPoNgE")),
        ("x y", "StringTrim", (" \t x y\u00a0\n", "Both")),
        ("x y\u00a0\n", "StringTrim", (" \t x y\u00a0\n", "Left")),
        (" \t x y", "StringTrim", (" \t x y\u00a0\n", "Right")),
        ("b.b.", "StringReplace", ("a.a.", "a", "b")),
        (True, "StringContains", ("Hello", "hELL", False)),
        (False, "StringContains", ("Hello", "hELL", True)),
        (False, "StringCompare", ("ABcd", "CD", "Ends With", True)),
        (True, "StringCompare", ("ABcd", "CD", "Ends With", False)),
        (True, "StringCompare", ("ABcd", "AB", "Starts With", True)),
        (True, "StringCompare", ("ab", "AB", "Equal", False)),
        (True, "RegexMatch", ("a\nB", "^b$", True, True, False)),
        (False, "RegexMatch", ("a\nB", "^b$", True, False, False)),
        (True, "RegexMatch", ("a\nB", "a.b", True, False, True)),
        (False, "RegexMatch", ("abc", "(", True, False, False)),
    ],
)
def test_node_gives(expected: object, class_type: str, arguments: tuple[Any, ...]) -> None:
    """A text node gives what Python's own operation gives, with ComfyUI's treatment of odd modes and patterns."""
    assert expected == run(class_type, *arguments)


@pytest.mark.parametrize(
    ("expected", "mode", "group_index"),
    [
        ("k1=v1", "First Match", 9),
        ("k1\nk2\nK3", "All Matches", 9),
        ("v1", "First Group", 2),
        ("k1=v1", "First Group", 0),
        ("", "First Group", 3),
        ("v1\nv2\nv3", "All Groups", 2),
        ("k1=v1\nk2=v2\nK3=v3", "All Groups", 0),
        ("", "All Groups", 3),
        ("", "Every Match", 1),
    ],
)
def test_extract_modes(expected: str, mode: str, group_index: int) -> None:
    """RegexExtract takes the first or all of the matches or groups, one a line."""
    text, pattern = "k1=v1; k2=v2; K3=v3", r"(k\d)=(v\d)"
    assert expected == run("RegexExtract", text, pattern, mode, True, False, False, group_index)


@pytest.mark.parametrize(
    ("expected", "pattern", "mode"),
    [
        ("", "(", "First Match"),
        ("", "z", "All Matches"),
        ("ab\nab", "ab", "All Matches"),
        ("", "(z)?ab", "First Group"),
        ("\n", "(z)?ab", "All Groups"),
        ("", "ab", "All Groups"),
    ],
)
def test_extract_without_groups(expected: str, pattern: str, mode: str) -> None:
    """A broken pattern, no match, and a group that took no part all give empty text."""
    assert expected == run("RegexExtract", "ab ab", pattern, mode, True, False, False, 1 if "(" in pattern else 0)


def test_regex_replace_uses_groups_and_count() -> None:
    """The replacement may name groups, and *count* limits how many are replaced."""
    text, pattern = "2025-10-12 and 2024-01-02", r"(\d+)-(\d+)-(\d+)"
    assert "12/10/2025 and 2024-01-02" == run("RegexReplace", text, pattern, r"\3/\2/\1", count=1)
    assert "12/10/2025 and 02/01/2024" == run("RegexReplace", text, pattern, r"\3/\2/\1")


def test_regex_replace_refuses_a_broken_pattern() -> None:
    """Where match and extract give nothing, replacing by a broken pattern is an error."""
    with pytest.raises(re.error, match="unterminated"):
        run("RegexReplace", "abc", "(", "x")


def test_compare_names_the_unknown_mode() -> None:
    """An unknown mode, which validation of V3 choices lets through, is refused by name."""
    with pytest.raises(ValueError, match="StringCompare: mode is 'Contains', expected one of Starts With, Ends With"):
        run("StringCompare", "a", "b", "Contains", True)


@given(string=st.text(), start=st.integers(-9, 9), end=st.integers(-9, 9))
def test_pieces_add_up(string: str, start: int, end: int) -> None:
    """A text cut in two at any place and joined again is the text."""
    head, tail = run("StringSubstring", string, 0, start), run("StringSubstring", string, start, len(string))
    assert string == run("StringConcatenate", head, tail, "") or start < -len(string)
    assert string[start:end] == run("StringSubstring", string, start, end)
