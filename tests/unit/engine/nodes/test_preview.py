"""PreviewAny."""

from typing import Any

import numpy as np
import pytest

from comfypipe.engine.nodes.preview import preview_any


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text ✓", "text ✓"),
        (7, "7"),
        (0.1, "0.1"),
        (True, "True"),
        (None, "None"),
        ([1, "ä"], '[1, "\\u00e4"]'),
        ({"a": [None, True]}, '{"a": [null, true]}'),
        (np.array([[0.5]], np.float32), "tensor([[0.5000]])"),
        ({"samples": np.array([1], np.float32)}, "{'samples': tensor([1.])}"),
    ],
)
def test_values_are_shown_as_text(value: Any, expected: str) -> None:
    """Text as it is, numbers as Python writes them, plain values as JSON, arrays as tensors."""
    assert {"text": [expected]} == preview_any(value).ui
