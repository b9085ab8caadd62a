import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.manifest.values import FileValue, Value
from comfypipe.plan.expressions import Expression, ExpressionError, Names, is_expression, parse_expression

PHOTO = FileValue("photo.png", "image")
SCOPE = {
    "inputs": Names({"width": 64, "items": [1, 2], "name": "fox", "photo": PHOTO, "off": False, "nothing": None}),
    "steps": Names({"cut": Names({"outputs": Names({"image": PHOTO, "all": [PHOTO, PHOTO]})})}),
    "item": {"colour": "red"},
}


def value(text: str) -> Value:
    """Return what an expression gives."""
    return parse_expression(text).evaluate(SCOPE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ inputs.width }}", 64),
        ("{{inputs.items}}", [1, 2]),
        (" {{ inputs.photo }} ", PHOTO),
        ("{{ steps.cut.outputs.image }}", PHOTO),
        ("{{ steps.cut.outputs.all[1] }}", PHOTO),
        ("{{ steps['cut']['outputs']['image'] }}", PHOTO),
        ("{{ item }}", {"colour": "red"}),
        ("{{ item.colour }}", "red"),
        ("{{ inputs.width * 2 + 1 }}", 129),
        ("{{ inputs.width / 2 }}", 32.0),
        ("{{ inputs.off }}", False),
        ("{{ inputs.nothing }}", None),
        ("{{ inputs.photo if inputs.off else none }}", None),
        ("{{ inputs.items | length > 1 }}", True),
        ("{{ inputs.items | map('string') }}", ["1", "2"]),
        ("{{ [inputs.photo] + steps.cut.outputs.all }}", [PHOTO, PHOTO, PHOTO]),
        ("{{ {'w': inputs.width} }}", {"w": 64}),
        ("{{ inputs.photo.filename }}", "photo.png"),
        ("{{ inputs.name | tojson }}", '"fox"'),
        ("{{- inputs.width -}}", 64),
        ("{{ '}}' }}", "}}"),
        ("{{ '{{' }}", "{{"),
        ("a {{ inputs.name }} of {{ inputs.width }}\n", "a fox of 64\n"),
        ("{{ inputs.name }}{{ inputs.width }}", "fox64"),
        ("{{ inputs.off }}!", "false!"),
        ("{% if %} {# x #} {{ inputs.name }}", "{% if %} {# x #} fox"),
    ],
)
def test_expressions_keep_types_and_mixtures_give_text(text: str, expected: Value) -> None:
    """One expression gives its value as it is; text around it makes it text. Blocks and comments are text."""
    found = value(text)
    assert (expected, type(expected)) == (found, type(found))


@pytest.mark.parametrize(
    ("text", "references", "whole"),
    [
        ("{{ inputs.a }}", {("inputs", "a")}, True),
        ("{{ item }}", {("item",)}, True),
        ("{{ steps.a.outputs.b }}", {("steps", "a", "outputs", "b")}, True),
        ("{{ steps['a'].outputs['b'].filename }}", {("steps", "a", "outputs", "b", "filename")}, True),
        ("{{ steps.a.outputs.b[0] }}", {("steps", "a", "outputs", "b")}, True),
        ("{{ steps.a.outputs.b[inputs.n] }}", {("steps", "a", "outputs", "b"), ("inputs", "n")}, True),
        ("{{ inputs.a if inputs.b else item.c }}", {("inputs", "a"), ("inputs", "b"), ("item", "c")}, True),
        ("{{ 1 }}", set(), True),
        ("x {{ inputs.a | default(inputs.b) }}", {("inputs", "a"), ("inputs", "b")}, False),
    ],
)
def test_what_an_expression_reads_is_known(text: str, references: set[tuple[str, ...]], whole: bool) -> None:
    """References are found wherever they stand in an expression."""
    found = parse_expression(text)
    assert (references, whole) == (set(found.references), found.whole)


def test_steps_and_roots_can_be_asked() -> None:
    """What an expression reads is asked by root, and for steps by id."""
    found = parse_expression("{{ steps.a.outputs.x or steps.b.outputs.y }}")
    assert (frozenset("ab"), True, False) == (found.steps, found.reads("steps"), found.reads("item"))


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        (
            "{{ width }}",
            'there is no "width" here',
            "inputs are read as inputs.width, outputs as steps.ID.outputs.width",
        ),
        (
            "{{ range(3) }}",
            'there is no "range" here',
            "inputs are read as inputs.range, outputs as steps.ID.outputs.range",
        ),
        (
            "{{ inputs.a b }}",
            "{{ inputs.a b }} cannot be parsed: expected token 'end of print statement', got 'b'",
            None,
        ),
        ("{{", "{{ cannot be parsed: unexpected 'end of template'", None),
        ("{{ inputs.a | nothing }}", "{{ inputs.a | nothing }} cannot be parsed: No filter named 'nothing'.", None),
        ("{{ inputs.a | random }}", "{{ inputs.a | random }} cannot be parsed: No filter named 'random'.", None),
        (
            "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
            "{{ ((((((((((((((((((((((((((((((((((((((((((((((((((((((… is nested too deeply",
            None,
        ),
        ("{{ 1 }}" + " " * 10_000, "an expression has at most 10000 characters", None),
    ],
)
def test_what_cannot_be_parsed_is_told(text: str, problem: str, hint: str | None) -> None:
    """Anything that is not an expression of the names there are is refused when it is read."""
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert (problem, hint) == (caught.value.problem, caught.value.hint)


@pytest.mark.parametrize(
    ("text", "problem", "certain"),
    [
        ("{{ inputs.absent }}", "inputs.absent has no value", False),
        ("{{ inputs.width.x.y }}", "'int object' has no attribute 'x'", False),
        ("{{ inputs.width + inputs.name }}", "unsupported operand type(s) for +: 'int' and 'str'", False),
        ("{{ inputs.items[7] }}", "list object has no element 7", False),
        ("{{ 1 // 0 }}", "integer division or modulo by zero", False),
        ("a {{ inputs.photo }}", "an image cannot stand inside text", True),
        ("a {{ inputs.items }}", "a list of 2 cannot stand inside text", True),
        ("a {{ inputs.nothing }}", "nothing cannot stand inside text", False),
        ("{{ inputs }}", "a Names is no value for an input", False),
        ("{{ inputs.photo.path }}", "access to attribute 'path' of 'FileValue' object is unsafe.", False),
        ("{{ inputs.name.__class__ }}", "access to attribute '__class__' of 'str' object is unsafe.", False),
        ("{{ inputs.items.append(3) }}", "access to attribute 'append' of 'list' object is unsafe.", False),
        ("{{ 'a' * 10000000 }}", "text that long is not made here", False),
        ("{{ [0] * 10000000 }}", "text that long is not made here", False),
        ("{{ 9 ** 999999 }}", "powers above 64 are not computed here", False),
    ],
)
def test_what_has_no_value_is_told(text: str, problem: str, certain: bool) -> None:
    """An expression that fails says why; whether it would for any value of the same kind is known."""
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert (problem, certain) == (caught.value.problem.removeprefix(f"{text} has no value: "), caught.value.certain)


def test_inputs_may_be_called_anything() -> None:
    """An input may have the name of a method that mappings have."""
    scope = {"inputs": Names({"keys": 1, "get": 2})}
    assert [1, 3] == [parse_expression(text).evaluate(scope) for text in ("{{ inputs.keys }}", "{{ inputs.get + 1 }}")]


def test_only_text_with_braces_is_an_expression() -> None:
    """Single braces, as wildcards use them, mean nothing."""
    assert (False, False, True) == (is_expression("{a|b}"), is_expression(7), is_expression("{{ 1 }}"))


@given(st.text(alphabet="{}%#'\"|.()[] inputsae01+-*/~", max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text makes parsing or evaluating raise anything but `ExpressionError`."""
    try:
        found = parse_expression("{{" + text)
        assert isinstance(found, Expression)
        found.evaluate(SCOPE)
    except ExpressionError:
        return
