"""Nodes that blur, sharpen, reshape and find edges."""

import numpy as np
import pytest

from comfypipe.engine.nodes.filter import blur, find_edges, morphology, sharpen
from comfypipe.engine.pixels import convolve, extremes
from comfypipe.engine.pixels.values import Floats


def image() -> Floats:
    """Return random images."""
    return np.random.default_rng(0).random((2, 12, 14, 3), np.float32)


def test_nodes_pass_their_settings_on() -> None:
    """Radius, sigma and strength are those of the arithmetic."""
    np.testing.assert_array_equal(convolve.blur(image(), 3, 0.7), blur(image(), 3, 0.7)[0])
    np.testing.assert_array_equal(convolve.sharpen(image(), 2, 0.7, 0.3), sharpen(image(), 2, 0.7, 0.3)[0])


@pytest.mark.parametrize("operation", extremes.OPERATIONS)
def test_morphology_knows_seven_operations(operation: str) -> None:
    """Each by its name."""
    np.testing.assert_array_equal(extremes.OPERATIONS[operation](image(), 5), morphology(image(), operation, 5)[0])


def test_unknown_operations_are_named() -> None:
    """Validation lets them pass, as on a real server."""
    with pytest.raises(ValueError, match="Invalid operation blacken"):
        morphology(image(), "blacken", 5)


def test_edges_are_grey_images() -> None:
    """Three equal channels, 0 or 1, for each image."""
    (edges,) = find_edges(image(), 0.1, 0.3)
    assert (2, 12, 14, 3) == edges.shape
    np.testing.assert_array_equal(edges[..., 0], edges[..., 2])
    assert {0, 1} == set(np.unique(edges))
