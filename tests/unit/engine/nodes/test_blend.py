"""ImageBlend."""

import numpy as np
import pytest

from comfypipe.engine.nodes.blend import blend_images
from comfypipe.engine.pixels.blend import blend
from comfypipe.engine.pixels.resample import resize_cropped
from comfypipe.engine.pixels.values import Floats


def noise(height: int, width: int, channels: int = 3, batch: int = 1) -> Floats:
    """Return random images."""
    return np.random.default_rng([height, width]).random((batch, height, width, channels), np.float32)


def test_the_second_image_is_fitted_to_the_first() -> None:
    """It is scaled and trimmed, and loses its alpha."""
    first, second = noise(10, 20), noise(30, 30, 4)
    expected = blend(first, resize_cropped(second[..., :3], 20, 10, "bicubic"), 0.3, "screen")
    np.testing.assert_array_equal(expected, blend_images(first, second, 0.3, "screen")[0])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (noise(4, 4, 4), noise(4, 4, 3), r"tensor a \(5\) .* tensor b \(3\) at non-singleton dimension 3"),
        (noise(4, 4, 3, 2), noise(4, 4, 3, 3), r"tensor a \(2\) .* tensor b \(3\) at non-singleton dimension 0"),
    ],
)
def test_misfits_are_errors(first: Floats, second: Floats, message: str) -> None:
    """Alpha in the first image only, and batches of unlike length, say what does not fit."""
    with pytest.raises(RuntimeError, match=message):
        blend_images(first, second, 0.5, "normal")
