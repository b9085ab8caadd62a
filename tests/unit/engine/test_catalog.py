"""The catalogue of node classes."""

from pathlib import Path

import comfypipe.engine.nodes
from comfypipe.engine.catalog import FAMILIES, core_registry


def test_every_family_is_in_the_catalogue() -> None:
    """Each public module under nodes/ is a family that the registry holds."""
    folder = Path(comfypipe.engine.nodes.__file__).parent
    public = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert public == set(FAMILIES)


def test_registry_is_made_once() -> None:
    """Asking twice gives the same registry."""
    assert core_registry() is core_registry()
