import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.template.builders import ANY_JSON

from comfypipe.template.position import Fault, Position, advance


def open_string(text: str) -> bool:
    """Return whether a string is open at the end of *text*, character by character."""
    inside = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif inside and character == "\\":
            escaped = True
        elif character == '"':
            inside = not inside
    return inside


@pytest.mark.parametrize(
    ("text", "inside", "expected"),
    [
        ("", False, (False, False)),
        ("", True, (True, False)),
        ('{"a', False, (True, False)),
        ('{"a": ', False, (False, False)),
        (r'{"a\"b', False, (True, False)),
        (r'{"a\\"', False, (False, False)),
        (r'{"a\\', False, (True, False)),
        ('{"a\\', False, (True, True)),
        (r"{\u00", True, (True, True)),
        (r"{\u0041", True, (True, False)),
        (r"{\\u00", True, (True, False)),
        (r"{\\\u00", True, (True, True)),
        (r'\u00", "', True, (True, False)),
        ('x"', True, (False, False)),
        ("\\", False, (False, False)),
    ],
)
def test_advance(text: str, inside: bool, expected: tuple[bool, bool]) -> None:
    """Text opens and closes strings; an escape that is not finished at its end is told."""
    assert expected == advance(text, inside)


@given(ANY_JSON, st.data())
def test_advance_in_any_json(value: object, data: st.DataObject) -> None:
    """Cut any JSON text anywhere: whether a string is open is known, piece by piece too."""
    text = json.dumps(value, ensure_ascii=False)
    cut = data.draw(st.integers(0, len(text)))
    before = text[:cut]
    assert open_string(before) == advance(before, False)[0]
    inside, amid_escape = advance(before, False)
    if not amid_escape:
        assert (False, False) == advance(text[cut:], inside)


def test_both_ways_are_followed() -> None:
    """Text with an even number of quotes works inside a string and outside, with an odd one in neither."""
    position = Position()
    start = position.copy()
    position.literal('{"a": "', 1)
    assert (1, 0) == position.ways()
    position.literal('"}', 1)
    position.settle(start, "this", 1)
    assert ((0, 1), (None, None)) == (position.ways(), position.faults())
    position.literal('"', 3)
    position.settle(start, "this", 3)
    assert (
        Fault("this opens a string that it does not close", 3),
        Fault("this closes a string that it did not open", 3),
    ) == position.faults()


def test_escapes_only_count_inside() -> None:
    """Text with an escaped quote works inside a string only."""
    position = Position()
    start = position.copy()
    position.literal(r"say \"hi\" to", 1)
    position.settle(start, "this", 1)
    assert (-1, 1) == position.ways()


def test_fault_is_in_the_last_line_of_the_text() -> None:
    """A tag after an unfinished escape is reported in its own line."""
    position = Position([False, False])
    position.literal('{\n"a\\', 4)
    assert 5 == (position.faults()[0] or Fault("", 0)).line
