"""Choices and comments in prompts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.importing.dynamic_prompts import resolve_dynamic_prompt, strip_comments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", "a cat"),
        ("{red|blue} cat", "red cat"),
        ("{{x}}", "x"),
        ("{}", ""),
        ("{a|{b|c}} d", "a d"),
        ("{{b|c}|a}", "b"),
        (r"\{a\|b\}", "{a|b}"),
        (r"{\{a\}|b}", "{a}"),
        (r"a\b", r"a\b"),
        ("a // rest\nb", "a \nb"),
        ("a /* x\ny */b", "a b"),
        ("a /* open", "a /* open"),
        ("http://host/path", "http:"),
        ("{a|b", "a"),
        ("a}b|c", "a}b|c"),
        ('{"a": 1, "b": [2]}', '"a": 1, "b": [2]'),
    ],
)
def test_text_is_resolved_as_the_editor_does(text: str, expected: str) -> None:
    """With the first of every choice taken."""
    assert expected == resolve_dynamic_prompt(text, lambda _: 0)


def test_choices_are_drawn_by_the_caller() -> None:
    """The caller is told how many options there are, outer ones first."""
    asked: list[int] = []

    def last(count: int) -> int:
        asked.append(count)
        return count - 1

    assert resolve_dynamic_prompt("{a|b|{c|d}} {e}", last) == "d e"
    assert asked == [3, 2, 1]


@given(st.text(alphabet="/* x\n", max_size=30))
def test_comments_are_taken_out_as_by_the_editors_pattern(text: str) -> None:
    """The quick way of stripping gives what the pattern would."""
    assert re.sub(r"/\*[\s\S]*?\*/|//[^\n\r]*", "", text) == strip_comments(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["/*" * 200_000, "{" * 20_000, "{|" * 20_000, "\\" * 100_001, "//" * 100_000])
def test_hostile_text_takes_little_time(text: str) -> None:
    """No pattern is tried again and again."""
    assert len(resolve_dynamic_prompt(text, lambda _: 0)) <= len(text) + len("undefined")
