"""Sweeps."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.batch.sweep import Axis, Sweep, parse_sweep
from comfypipe.errors import UsageError
from comfypipe.manifest.schema import InputSpec, IntegerInput, NumberInput, StringInput

INPUTS: dict[str, InputSpec] = {"steps": IntegerInput(), "cfg": NumberInput(), "ratio": StringInput()}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("steps=10,20,30", ("10", "20", "30")),
        ("cfg=4:8:2", (4, 6, 8)),
        ("cfg=0.1:0.3:0.1", (0.1, 0.2, 0.3)),
        ("cfg=3:1", (3, 2, 1)),
        ("steps=1:4:2", (1, 3)),
        ("ratio=16:9", ("16:9",)),
        ('ratio=["a, b", "c"]', ("a, b", "c")),
        ("ratio=a=b", ("a=b",)),
    ],
)
def test_values_are_written_in_three_ways(text: str, values: tuple[Any, ...]) -> None:
    """A list with commas, a range of numbers with its end, or JSON; a range only where the input is a number."""
    assert Sweep((Axis(text.split("=", maxsplit=1)[0], values),)) == parse_sweep([text], INPUTS)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["steps"], '"steps" is not NAME=VALUES'),
        (["stps=1"], 'there is no input "stps" to sweep'),
        (["steps=1", "steps=2"], "steps is swept twice"),
        (["cfg=4:8:-1"], '"cfg=4:8:-1" never gets from 4 to 8'),
        (["cfg=4:8:0"], '"cfg=4:8:0" never gets from 4 to 8'),
        (["cfg=0:1:0.0000001"], '"cfg=0:1:0.0000001" has more than 1000000 values'),
        (["ratio=[]"], '"ratio=[]" holds no value'),
        (["ratio=[1"], '"ratio=[1" is not a JSON list'),
    ],
)
def test_what_is_no_sweep_is_a_usage_error(texts: list[str], message: str) -> None:
    """The message names the text."""
    with pytest.raises(UsageError) as caught:
        parse_sweep(texts, INPUTS)
    assert caught.value.message.startswith(message)


def test_zipped_axes_need_as_many_values_each() -> None:
    """The message counts them."""
    with pytest.raises(UsageError, match="steps has 2, cfg has 3"):
        parse_sweep(["steps=1,2", "cfg=1,2,3"], INPUTS, zipped=True)


def test_a_grid_has_every_value_with_every_other() -> None:
    """The last axis changes fastest; zipped, they change together."""
    texts = ["steps=1,2", "cfg=3,4"]
    grid = parse_sweep(texts, INPUTS)
    points = [grid.point(index) for index in range(len(grid))]
    assert [("1", "3"), ("1", "4"), ("2", "3"), ("2", "4")] == [(each["steps"], each["cfg"]) for each in points]
    zipped = parse_sweep(texts, INPUTS, zipped=True)
    assert [{"steps": "1", "cfg": "3"}, {"steps": "2", "cfg": "4"}] == [zipped.point(0), zipped.point(1)]


@given(st.lists(st.integers(1, 5), max_size=4))
def test_a_grid_has_no_point_twice(lengths: list[int]) -> None:
    """As many points as the product of the lengths, all of them different."""
    axes = tuple(Axis(f"a{index}", tuple(range(length))) for index, length in enumerate(lengths))
    sweep = Sweep(axes)
    points = {tuple(sweep.point(index).items()) for index in range(len(sweep))}
    assert len(sweep) == len(points)
