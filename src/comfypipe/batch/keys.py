"""What names a row by its content, and the seeds that follow from it."""

import hashlib
from collections.abc import Callable, Mapping
from itertools import count

from comfypipe.execution.values import identity_of
from comfypipe.manifest.values import Value
from comfypipe.plan.digests import digest_of


def row_key(name: str, inputs: Mapping[str, Value], repeat: int = 0) -> str:
    """
    Return what names a row: SHA-256, as hex. The same inputs, files by their bytes, have the same key on any machine.

    Args:
        inputs: Resolved, without seeds that are to be drawn.
        repeat: Which repetition of the same inputs it is, from 0.
    """
    content = {name: identity_of(value) for name, value in inputs.items()}
    return digest_of({"name": name, "inputs": content, "repeat": repeat})


def seeds_from(key: str) -> Callable[[], int]:
    """Return what gives one seed of 53 bits after another: for the same key always the same ones."""
    numbers = count()

    def draw() -> int:
        digest = hashlib.sha256(f"seed {next(numbers)} of {key}".encode()).digest()
        return int.from_bytes(digest[:7], "big") >> 3

    return draw
