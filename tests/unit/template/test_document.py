import pytest

from comfypipe.template.document import NotADocument, parse_document


def test_numbers_are_exact() -> None:
    """Integers of any size and floats come as they are written."""
    assert {"a": 18446744073709551615, "b": 1.5, "c": -0.0} == parse_document(
        '{"a": 18446744073709551615, "b": 1.5, "c": -0.0}'
    )


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ('{"a": NaN}', "NaN is not a JSON number", 6),
        ('{"NaN": "NaN", "a": [-Infinity]}', "-Infinity is not a JSON number", 21),
        ('{"a": 1e999}', "a number is too large", 6),
        ('{"a": 1, "a": 2}', 'node "a" is given twice in one object', 9),
        ('{"1": {"a": 1, "a": 2}}', 'key "a" is given twice in one object', 15),
        ("[1]", "a prompt is a JSON object of nodes, not an array", 0),
        ("null", "a prompt is a JSON object of nodes, not null", 0),
        ("7", "a prompt is a JSON object of nodes, not a number", 0),
        (" \n", "it is empty", 0),
        ('{"nodes": [], "links": []}', "this is a UI graph (the editor's own save), not a prompt", 0),
        ('{"a": 1,}', None, 8),
        ('{"a": 1} x', 'extra data, near `{"a": 1} x`', 9),
        ('{"a": "b\nc"}', 'invalid control character, near `{"a": "b c"}`', 8),
        ('{"a": ' + "9" * 5000 + "}", "a number has too many digits", 6),
        ("[" * 100_000, "it is nested too deeply", 0),
    ],
)
def test_what_is_refused(text: str, message: str | None, offset: int) -> None:
    """What JSON or a prompt does not allow is refused, with its place."""
    with pytest.raises(NotADocument) as raised:
        parse_document(text)
    assert (message or raised.value.message, offset) == (raised.value.message, raised.value.offset)


def test_leftover_commas_are_forgiven_on_request() -> None:
    """A comma before a closing bracket is overlooked where a loop may have left it; two are not."""
    assert {"a": [1, ",}"], "b": {}} == parse_document('{"a": [1, ",}",], "b": {},\n}', forgiving=True)
    for text in ('{"a": [1,,]}', '{"a": 1,, "b": 2}', '{, "a": 1}'):
        with pytest.raises(NotADocument):
            parse_document(text, forgiving=True)
