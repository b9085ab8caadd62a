"""Primitive nodes pass on what was typed, as its type."""

from typing import Any

import pytest

from comfypipe.engine.nodes.primitives import NODES
from comfypipe.engine.registry import Registry

REGISTRY = Registry(NODES)


@pytest.mark.parametrize(
    ("expected", "class_type", "value"),
    [
        (-12345678901234, "PrimitiveInt", -12345678901234),
        (7, "PrimitiveInt", 7.9),
        (7, "PrimitiveInt", "7"),
        (0.1, "PrimitiveFloat", 0.1),
        (2.0, "PrimitiveFloat", 2),
        ("héllo", "PrimitiveString", "héllo"),
        ("a\nb\t c ", "PrimitiveStringMultiline", "a\nb\t c "),
        (True, "PrimitiveBoolean", True),
        (True, "PrimitiveBoolean", "false"),
        (False, "PrimitiveBoolean", ""),
    ],
)
def test_value_is_converted(expected: object, class_type: str, value: Any) -> None:
    """A primitive converts by Python's own rules, so the text "false" is true."""
    result = REGISTRY[class_type].function(value=value)
    assert (expected,) == result
    assert isinstance(result, tuple)
    assert type(expected) is type(result[0])
