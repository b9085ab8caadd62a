import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.diagnostics import Source
from comfypipe.plan.expressions import Names, parse_expression
from comfypipe.plan.references import Scope, cycle, evaluate, expressions, order, steps_read

SCOPE = Scope(
    ("photo", "colours"),
    {"generate": ("image",), "caption": ("text", "count"), "bare": (), "broken": None},
    {"bare": "manifests/bare.yaml"},
)


def problems(text: str, *, item: bool = False) -> list[str]:
    """Return what is told of the references of an expression."""
    scope = Scope(SCOPE.inputs, SCOPE.outputs, SCOPE.undeclared, item)
    return [str(each) for each in scope.check(parse_expression(text), 'step "upscale"', Source("a.yaml", 3, 4))]


@pytest.mark.parametrize(
    "text",
    [
        "{{ inputs.photo }}",
        "{{ inputs.photo.filename }}",
        "{{ steps.generate.outputs.image }}",
        "{{ steps.caption.outputs.text | upper }}",
        "{{ steps.broken.outputs.whatever }}",
        "{{ 1 }}",
    ],
)
def test_what_is_there_is_not_told(text: str) -> None:
    """References to inputs and to declared outputs pass; of a broken step nothing is said twice."""
    assert [] == problems(text)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("{{ inputs.foto }}", "inputs.foto\n  hint: did you mean inputs.photo?"),
        (
            "{{ steps.gen.outputs.image }}",
            "steps.gen.outputs.image\n  hint: did you mean steps.generate.outputs.image?",
        ),
        (
            "{{ steps.caption.outputs.txt }}",
            "steps.caption.outputs.txt\n  hint: did you mean steps.caption.outputs.text?",
        ),
        (
            "{{ steps.generate.image }}",
            "steps.generate.image\n  hint: did you mean steps.generate.outputs.image?",
        ),
        (
            "{{ steps.bare.outputs.image }}",
            (
                "steps.bare.outputs.image, but its workflow declares no outputs\n"
                "  hint: declare it under outputs: in manifests/bare.yaml"
            ),
        ),
        (
            "{{ item.x }}",
            "item.x, which only a step with for_each has\n  hint: for_each itself cannot read it",
        ),
        (
            "{{ steps[1] }}",
            (
                "steps\n  hint: it can read inputs.photo, inputs.colours, steps.generate.outputs.image, "
                "steps.caption.outputs.text, steps.caption.outputs.count"
            ),
        ),
    ],
)
def test_references_that_lead_nowhere_are_told(text: str, rest: str) -> None:
    """Each wrong reference is named with the closest right one."""
    assert [f'a.yaml:3:4 reference-unknown: step "upscale" reads {rest}'] == problems(text)


def test_item_is_there_in_a_fan_out() -> None:
    """A step with ``for_each`` reads ``item``."""
    assert [] == problems("{{ item.colour }}", item=True)


def test_expressions_are_found_at_any_depth() -> None:
    """Lists and mappings are looked into, with the path of each expression."""
    written = {"a": ["x", "{{ inputs.a }}", {"b": "{{ steps.s.outputs.c }} c"}], "d": 7, "e": "{{ 1 }}"}
    assert [
        (("a", 1), "{{ inputs.a }}"),
        (("a", 2, "b"), "{{ steps.s.outputs.c }} c"),
        (("e",), "{{ 1 }}"),
    ] == list(expressions(written))
    assert frozenset({"s"}) == steps_read(written)


def test_values_are_evaluated_at_any_depth() -> None:
    """What is no expression stays as it is written."""
    scope = {"inputs": Names({"a": [1]})}
    assert {"x": [[1], "{y}", 7, None]} == evaluate({"x": ("{{ inputs.a }}", "{y}", 7, None)}, scope)


def test_order_keeps_to_the_text_where_it_can() -> None:
    """Steps come after what they read, and otherwise as they are written."""
    assert ("b", "a", "d", "c") == order({"c": ["a", "d"], "b": [], "a": ["b"], "d": []})


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ({"a": ["b"], "b": []}, ()),
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ("b", "c", "b")),
        ({"x": [], "a": ["x", "b"], "b": ["a"]}, ("a", "b", "a")),
    ],
)
def test_cycles_are_named(reads: dict[str, list[str]], expected: tuple[str, ...]) -> None:
    """The steps of a cycle are told in the order in which they read each other."""
    assert expected == cycle(reads)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefgh"), max_size=3)))
def test_steps_are_ordered_or_on_a_cycle(reads: dict[str, list[str]]) -> None:
    """Either every step comes after those it reads, or there is a cycle of steps that read each other."""
    found = cycle(reads)
    ordered = order(reads)
    for index, step in enumerate(ordered):
        assert {each for each in reads[step] if each in reads} <= set(ordered[:index])
    assert (len(ordered) == len(reads)) == (not found)
    assert all(after in reads[before] for before, after in itertools.pairwise(found))
