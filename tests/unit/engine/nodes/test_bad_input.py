"""Every node on images, masks, latents and sound, given what no camera makes: a result, or an error that says which."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.events import RunFailed
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders, InputSpec, NodeClass, Registry, outputs
from comfypipe.testing import node

_SIZES: Mapping[str, tuple[int, int, int]] = {
    "one pixel": (1, 1, 1),
    "one row": (1, 1, 9),
    "odd": (2, 5, 7),
    "no image": (0, 8, 8),
    "no pixel": (1, 0, 8),
}


def image(kind: str, channels: int) -> Any:
    """Return images of a kind."""
    values = {"not a number": np.nan, "endless": np.inf}
    if kind in values:
        pixels = np.full((1, 8, 8, channels), 0.5, np.float32)
        pixels[0, 2:4, 3] = values[kind]
        return pixels
    return np.linspace(0, 1, int(np.prod(_SIZES[kind])) * channels, dtype=np.float32).reshape(*_SIZES[kind], channels)


def odd_one(kind: str) -> NodeClass:
    """Return a node that gives one of each type."""

    def make() -> tuple[Any, ...]:
        pixels = image(kind, 3)
        latent = {"samples": np.ascontiguousarray(np.moveaxis(image(kind, 4), -1, 1))}
        waveform = np.resize(image(kind, 1), (1, 2, pixels.size % 41 if pixels.size else 0)).astype(np.float32)
        return pixels, image(kind, 1)[..., 0], latent, {"waveform": waveform, "sample_rate": 11_117}

    return NodeClass("Odd", make, {}, outputs("IMAGE", "MASK", "LATENT", "AUDIO"))


_SLOTS = {"IMAGE": 0, "MASK": 1, "LATENT": 2, "AUDIO": 3}
_PLAIN: Mapping[str, JSON] = {"INT": 1, "FLOAT": 0.5, "STRING": "x", "BOOLEAN": False}
KINDS = (*_SIZES, "not a number", "endless")


def value(spec: InputSpec) -> JSON:
    """Return something to give to an input: the odd one where it takes such, else its default; None where unknown."""
    if isinstance(spec.type, tuple):
        return spec.type[0] if spec.type else None
    if spec.type in _SLOTS:
        return ["odd", _SLOTS[spec.type]]
    return spec.options.get("default", _PLAIN.get(spec.type))


def changers() -> list[NodeClass]:
    """Return the node classes that take one of these values, and nothing that cannot be made up here."""
    found = []
    for each in core_registry().values():
        specs = each.inputs.values()
        if any(spec.type in _SLOTS for spec in specs) and all(value(spec) is not None for spec in specs):
            found.append(each)
    return found


def prompt_of(node_class: NodeClass) -> JSONObject:
    """Return a prompt that runs a node on odd values, and looks at what it gives."""
    tested = node(node_class.class_type, **{name: value(spec) for name, spec in node_class.inputs.items()})
    seen = {} if node_class.output_node else {"see": node("PreviewAny", source=["it", 0])}
    return {"odd": node("Odd"), "it": tested, **seen}


@pytest.mark.parametrize("node_class", changers(), ids=lambda each: each.class_type)
def test_odd_values_give_a_result_or_an_error_that_says_why(node_class: NodeClass, tmp_path: Path) -> None:
    """Tiny, empty and endless ones: no node stumbles, and an error is that node's, and tells what it is about."""
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    for kind in KINDS:
        engine = Engine(folders, Registry([*core_registry().values(), odd_one(kind)]))
        end = engine.run(prompt_of(node_class), prompt_id=kind).end
        if isinstance(end, RunFailed):
            named = any(f"{name}:" in end.message for name in node_class.inputs)
            # A node that gives a list gives an empty one: whoever reads it says so.
            assert end.node_id == "it" or "empty list" in end.message, (kind, end.message)
            assert end.exception_type not in STUMBLES or named or end.node_id == "see", (kind, end.message)
            assert len(end.message) > 10, (kind, end.message)


STUMBLES = ("IndexError", "AttributeError", "ZeroDivisionError", "UnboundLocalError", "FloatingPointError")
"""Exceptions that say nothing, unless the input is named."""
