"""Images become animated pictures whose frames, times and texts come back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from comfypipe.engine.nodes.animated import NODES
from comfypipe.engine.pixels.values import Floats, to_bytes
from comfypipe.engine.registry import Context, Registry, Result

REGISTRY = Registry(NODES)
WEBP = {"filename_prefix": "a", "fps": 7.0, "lossless": True, "quality": 80, "method": "default"}
PNG = {"filename_prefix": "a", "fps": 7.0, "compress_level": 4}


def noise(count: int, channels: int = 3) -> Floats:
    """Return images that share no pixel."""
    return np.random.default_rng(3).random((count, 12, 16, channels), np.float32)


def save(class_type: str, images: Floats, context: Context, **inputs: Any) -> Path:
    """Save and return where."""
    given = (WEBP if class_type == "SaveAnimatedWEBP" else PNG) | inputs
    result = REGISTRY[class_type].function(images=images, context=context, **given)
    assert isinstance(result, Result)
    assert result.ui is not None
    (entry,) = result.ui["images"]
    return context.folders.output / str(entry["subfolder"]) / str(entry["filename"])


@pytest.mark.parametrize("class_type", ["SaveAnimatedWEBP", "SaveAnimatedPNG"])
@pytest.mark.parametrize("channels", [3, 4])
def test_frames_come_back(context: Context, class_type: str, channels: int) -> None:
    """Lossless frames come back bit for bit, each shown for a whole number of milliseconds."""
    images = noise(3, channels)
    images[..., 3:] = 1  # WebP need not keep colours that nobody sees
    with Image.open(save(class_type, images, context)) as picture:
        frames = [
            np.asarray(each.convert("RGBA" if channels == 4 else "RGB")) for each in ImageSequence.Iterator(picture)
        ]
        assert 142 == int(picture.info["duration"])
    np.testing.assert_array_equal(to_bytes(images), np.stack(frames))


@pytest.mark.parametrize(
    ("expected", "class_type", "count"),
    [(True, "SaveAnimatedWEBP", 2), (False, "SaveAnimatedWEBP", 1), (True, "SaveAnimatedPNG", 1)],
)
def test_what_clients_are_told(context: Context, expected: bool, class_type: str, count: int) -> None:
    """A WebP of one frame is told to be still; a PNG is always told to move."""
    given = WEBP if class_type == "SaveAnimatedWEBP" else PNG
    result = REGISTRY[class_type].function(images=noise(count), context=context, **given)
    name = "a_00001_.webp" if class_type == "SaveAnimatedWEBP" else "a_00001_.png"
    entry = {"filename": name, "subfolder": "", "type": "output"}
    assert Result(ui={"images": [entry], "animated": [expected]}) == result


def test_lossy_webp_is_smaller(context: Context) -> None:
    """Quality matters where compression is lossy."""
    sizes = [
        save("SaveAnimatedWEBP", noise(3), context, lossless=lossless, quality=20).stat().st_size
        for lossless in (True, False)
    ]
    assert sizes[0] > sizes[1]


def test_texts_of_webp(context: Context) -> None:
    """The prompt and the extras lie in EXIF, from the tag for the model downwards."""
    context.extra_pnginfo["second"] = 2
    with Image.open(save("SaveAnimatedWEBP", noise(2), context)) as picture:
        exif = picture.getexif()
    assert f"prompt:{json.dumps(context.prompt)}" == exif[0x0110]
    assert 'workflow:{"nodes": []}' == exif[0x010F]
    assert "second:2" == exif[0x010E]


def test_texts_of_png(context: Context) -> None:
    """The prompt and the extras lie in private chunks after the first image's data."""
    context.extra_pnginfo["second"] = 2
    content = save("SaveAnimatedPNG", noise(2), context).read_bytes()
    texts = [part.split(b"\0", 1) for part in content.split(b"comf")[1:]]
    assert [b"prompt", b"workflow", b"second"] == [key for key, _ in texts]
    assert texts[0][1].startswith(json.dumps(context.prompt).encode())
    assert content.index(b"IDAT") < content.index(b"comf")


def test_same_images_give_the_same_bytes(context: Context) -> None:
    """Files are numbered on, and depend on nothing but their images and texts."""
    paths = [save("SaveAnimatedWEBP", noise(3), context) for _ in range(2)]
    assert ["a_00001_.webp", "a_00002_.webp"] == [path.name for path in paths]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("class_type", ["SaveAnimatedWEBP", "SaveAnimatedPNG"])
@pytest.mark.parametrize(
    ("message", "count", "fps"),
    [("images: there are none", 0, 7.0), ("fps: 0 frames a second", 1, 0.0), ("fps: nan", 1, float("nan"))],
)
def test_refused(context: Context, class_type: str, message: str, count: int, fps: float) -> None:
    """No images and no frame rate are named, and no file is begun."""
    with pytest.raises(ValueError, match=message):
        save(class_type, noise(count), context, fps=fps)
    assert not context.folders.output.exists()
