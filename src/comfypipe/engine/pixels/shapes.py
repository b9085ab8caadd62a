"""Shapes that do not fit together: the errors that PyTorch would raise, which clients of ComfyUI know."""

from collections.abc import Sequence


def check_broadcast(first: Sequence[int], second: Sequence[int]) -> None:
    """
    Check that arrays of two shapes can be combined elementwise.

    Raises:
        RuntimeError: They cannot; names the last dimension that differs.
    """
    dimensions = len(first)
    for dimension in reversed(range(dimensions)):
        a, b = first[dimension], second[dimension]
        if a != b and 1 not in (a, b):
            raise RuntimeError(
                f"The size of tensor a ({a}) must match the size of tensor b ({b}) "
                f"at non-singleton dimension {dimension}"
            )
