"""What passes in place of a model, a prompt's encoding or anything else that the engine cannot make."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comfypipe.engine.simulation.families import Family

Hint = NDArray[np.float32]
"""A small picture (height, width, 3), 0..1, that placeholders made from it shall resemble."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """
    A value of a type that only a model could make or use.

    Attributes:
        kind: Its type: ``MODEL``, ``CLIP``, ``CONDITIONING``, …
        source: The class that made it.
        digest: Names everything that it was made of: another seed, prompt or model gives another one.
        family: The model family, as far as a file name tells.
        text: What a prompt says.
        seed: What noise is drawn from.
        scale: By how much an upscaler enlarges.
        hint: A picture that went into it.
        files: Names of the model files that went into it.
    """

    kind: str
    source: str
    digest: bytes
    family: Family | None = None
    text: str = ""
    seed: int | None = None
    scale: int = 1
    hint: Hint | None = None
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"simulated {self.kind} of {self.source}"


def digest_of(*values: Any) -> bytes:
    """Name values by content; the same on every machine."""
    digest = hashlib.blake2b(digest_size=20)
    for value in values:
        _feed(digest, value)
    return digest.digest()


def _feed(digest: "hashlib.blake2b", value: Any) -> None:
    if isinstance(value, StandIn):
        digest.update(b"\0stand-in\0" + value.digest)
    elif isinstance(value, np.ndarray):
        digest.update(f"\0array\0{value.dtype.str}{value.shape}\0".encode())
        digest.update(np.ascontiguousarray(value).view(np.uint8).reshape(-1).data)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            digest.update(f"\0key\0{key}\0".encode())
            _feed(digest, value[key])
    elif isinstance(value, (list, tuple)):
        digest.update(f"\0list\0{len(value)}\0".encode())
        for item in value:
            _feed(digest, item)
    elif is_dataclass(value) and not isinstance(value, type):
        _feed(digest, {each.name: getattr(value, each.name, None) for each in fields(value)})
    else:
        text = repr(value) if isinstance(value, (str, int, float, bool, bytes, type(None))) else type(value).__name__
        digest.update(f"\0value\0{text}\0".encode(errors="surrogatepass"))


def stand_ins(values: Iterable[Any]) -> Iterator[StandIn]:
    """Yield the stand-ins among *values*, in order."""
    return (value for value in values if isinstance(value, StandIn))
