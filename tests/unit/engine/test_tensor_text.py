"""Arrays as PyTorch prints tensors."""

from typing import Any

import numpy as np
import pytest

from comfypipe.engine.tensor_text import tensor_text, value_text

F = np.float32


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([14.6146, 6.0822, 0.0], F), "tensor([14.6146,  6.0822,  0.0000])"),
        (np.array([1, 2, 30], F), "tensor([ 1.,  2., 30.])"),
        (np.array([0, 0], F), "tensor([0., 0.])"),
        (np.array([0.5, np.nan, -np.inf], F), "tensor([0.5000,    nan,   -inf])"),
        (np.array([1e-5, 0.1, 10], F), "tensor([1.0000e-05, 1.0000e-01, 1.0000e+01])"),
        (np.array([1, 20000], F), "tensor([1.0000e+00, 2.0000e+04])"),
        (np.array(0.25, F), "tensor(0.2500)"),
        (np.array([1, -20]), "tensor([  1, -20])"),
        (np.array([True, False]), "tensor([ True, False])"),
        (np.array([1, 2], np.uint8), "tensor([1, 2], dtype=torch.uint8)"),
        (np.array([0.5]), "tensor([0.5000], dtype=torch.float64)"),
        (np.zeros(0, F), "tensor([])"),
        (np.zeros((2, 0), F), "tensor([], size=(2, 0))"),
        (np.array([[1, 2], [3, 4]], F), "tensor([[1., 2.],\n        [3., 4.]])"),
    ],
)
def test_small_tensors(values: Any, expected: str) -> None:
    """Numbers have four digits and are equally wide; whole ones end in a point, wide ranges are in powers of ten."""
    assert expected == tensor_text(values)


def test_long_rows_are_wrapped() -> None:
    """No line is longer than eighty characters."""
    text = tensor_text(np.linspace(0, 1, 23, dtype=F))
    assert text.count("\n") == 2
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[1].startswith(" " * 8 + "0.4091, ")


def test_large_tensors_are_cut_short() -> None:
    """Of more than a thousand numbers each axis shows three at either end."""
    row = "[0., 0., 0.,  ..., 0., 0., 0.]"
    rows = ",\n         ".join([*[row] * 3, "...", *[row] * 3])
    assert f"tensor([[{rows}]])" == tensor_text(np.zeros((1, 64, 64), F))


def test_containers_print_their_tensors() -> None:
    """Dicts, lists and tuples look as Python prints them."""
    value = {"samples": np.array([1.5], F), "pair": (1, [np.array([2], F)], "x"), "one": (None,)}
    expected = "{'samples': tensor([1.5000]), 'pair': (1, [tensor([2.])], 'x'), 'one': (None,)}"
    assert expected == value_text(value)
