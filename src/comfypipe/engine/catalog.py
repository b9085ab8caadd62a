"""Which node classes the engine has: the families under ``nodes/``, by name."""

from functools import cache
from importlib import import_module

from comfypipe.engine.registry import NodeClass, Registry

FAMILIES: tuple[str, ...] = (
    "animated",
    "audio",
    "batch",
    "blend",
    "camera",
    "colour",
    "composite",
    "filter",
    "geometry",
    "hooks",
    "latent_batch",
    "latent_empty",
    "latent_files",
    "latent_math",
    "latent_shape",
    "load",
    "mask",
    "models3d",
    "preview",
    "primitives",
    "sampling",
    "save",
    "scale",
    "sigmas",
    "stitch",
    "strings",
    "vector",
    "video",
)
"""Modules of `comfypipe.engine.nodes`, each with its ``NODES``."""


@cache
def core_registry() -> Registry:
    """Return the registry of all model-free core nodes; the same object every time."""
    return Registry([node for family in FAMILIES for node in family_nodes(family)])


def family_nodes(family: str) -> tuple[NodeClass, ...]:
    """Return the node classes of one family, such as ``"strings"``."""
    nodes: tuple[NodeClass, ...] = import_module(f"comfypipe.engine.nodes.{family}").NODES
    return nodes
