"""Arithmetic that rounds as other machines do."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from comfypipe.engine.pixels.fused import fma, fma_sum, rounded, torch_linspace, torch_sum

floats = st.floats(-4, 4, width=32)


@given(floats, floats, floats)
def test_fma_rounds_once(a: float, b: float, c: float) -> None:
    """The result is the float32 nearest to the exact value, or, rarely, its neighbour."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    (found,) = fma(np.array([a], np.float32), np.array([b], np.float32), np.array([c], np.float32))
    assert abs(Fraction(float(found)) - exact) <= Fraction(float(np.spacing(np.abs(found)))) * Fraction(5001, 10000)


def test_fma_keeps_what_a_rounded_product_loses() -> None:
    """The square of 1 + 2^-12 less its rounded value is 2^-24, which only a fused operation sees."""
    a = np.array([1 + 2**-12], np.float32)
    assert [2.0**-24] == fma(a, a, -(a * a)).tolist()


def test_a_weighted_sum_is_fused_but_for_its_second_product() -> None:
    """``fma_sum`` is ``fma(v0, w0, v1 * w1)``, then one ``fma`` a pair."""
    rng = np.random.default_rng(0)
    values, weights = rng.random((2, 4, 100), np.float32)
    expected = fma(values[0], weights[0], values[1] * weights[1])
    for value, weight in zip(values[2:], weights[2:], strict=True):
        expected = fma(value, weight, expected)
    np.testing.assert_array_equal(expected, fma_sum([*values], [*weights]))


def test_functions_are_taken_in_double_precision() -> None:
    """Each result is the float32 nearest to the true one, and infinite where that is too large."""
    values = np.linspace(-20, 20, 999, dtype=np.float32)
    np.testing.assert_array_equal([np.float32(math.sin(each)) for each in values], rounded(np.sin, values))
    assert [np.inf] == rounded(np.exp, np.array([1000], np.float32)).tolist()


@given(st.floats(-9, 9), st.floats(-9, 9), st.integers(2, 300))
def test_a_line_is_the_same_from_both_ends(start: float, end: float, count: int) -> None:
    """Its ends are those asked for, its halves are counted from them, and turning it round gives the other line."""
    line = torch_linspace(start, end, count)
    assert (np.float32(start), np.float32(end), count) == (line[0], line[-1], len(line))
    np.testing.assert_allclose(np.linspace(start, end, count), line, atol=4e-6)
    half = count // 2
    np.testing.assert_array_equal(line[:half], torch_linspace(end, start, count)[::-1][:half])


def test_a_line_of_one_is_its_start() -> None:
    """There is no step."""
    assert [2.5] == torch_linspace(2.5, 9, 1).tolist()


@given(st.integers(0, 5000))
def test_torch_sum_adds_everything_once(size: int) -> None:
    """Small whole numbers have an exact sum in any order."""
    values = np.random.default_rng(size).integers(-50, 50, size).astype(np.float32)
    assert values.astype(np.int64).sum() == torch_sum(values)


def test_torch_sum_adds_what_is_left_over_first() -> None:
    """The ninth value comes before the eight lanes, where it is lost; in reading order it would be what remains."""
    assert 0 == torch_sum(np.array([2**24, 0, 0, 0, 0, 0, 0, -(2**24), 1], np.float32))
