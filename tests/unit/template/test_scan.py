import json

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.template.builders import ANY_JSON

from comfypipe.template.scan import first_duplicate, key_offsets, members, without_leftover_commas


def test_offsets() -> None:
    """Every key is found by its path; places in arrays have no name."""
    text = '{ "1": {"inputs": {"a\\u0062": ["1", 0], "c": [{"d": 1}]}}, "é": "x:{" }'
    found = {member.path: text[member.offset :][:3] for member in members(text)}
    assert {
        ("1",): '"1"',
        ("1", "inputs"): '"in',
        ("1", "inputs", "ab"): '"a\\',
        ("1", "inputs", "c"): '"c"',
        ("1", "inputs", "c", None, "d"): '"d"',
        ("é",): '"é"',
    } == found
    assert [("1",), ("é",)] == list(key_offsets(text, 1))


@given(ANY_JSON)
def test_offsets_in_any_json(value: object) -> None:
    """At every offset stands the key that the path ends with."""
    text = json.dumps(value)
    for member in members(text):
        key, _ = json.JSONDecoder().raw_decode(text, member.offset)
        assert member.path[-1] == key


def test_duplicates_are_of_one_object() -> None:
    """The same key in two objects is no duplicate; in one it is, however it is escaped."""
    assert first_duplicate('{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}') is None
    found = first_duplicate('{"a": 1, "b": {"c": 1, "\\u0063": 2}}')
    assert found is not None
    assert (("b", "c"), 15, 23) == (found[1].path, found[0].offset, found[1].offset)


@given(ANY_JSON)
def test_valid_json_has_no_leftover_commas(value: object) -> None:
    """Nothing is taken from valid JSON: commas in strings stay."""
    text = json.dumps([value, ",}", ", ]"])
    assert text == without_leftover_commas(text)


def test_leftover_commas() -> None:
    """Commas before closing brackets become blanks, so that offsets stay."""
    assert '{"a": [1, 2 \n ] , ",]": 1 }' == without_leftover_commas('{"a": [1, 2,\n ] , ",]": 1,}')


@given(st.text(alphabet=',]}" \\a'))
def test_any_text_keeps_its_length(text: str) -> None:
    """Whatever the text, offsets stay."""
    assert len(text) == len(without_leftover_commas(text))
