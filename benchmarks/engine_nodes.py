"""What image nodes of the engine take, as a multiple of the same work in plain Pillow and numpy."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from _timing import best_of, table
from comfypipe._types import JSONObject
from comfypipe.engine.nodes import blend, colour, composite, load, mask, save, scale
from comfypipe.engine.nodes import filter as filters
from comfypipe.engine.registry import Folders

Floats = NDArray[np.float32]
LIMIT = 1.3
RUNS = 11
REAL_MS = {
    "load PNG 2048": 226,
    "lanczos 2048 to 1024": 138,
    "bicubic 2048 to 1024": 103,
    "area 2048 to 1024": 91,
    "bilinear 1024 to 2048": 180,
    "blur r10 1024": 316,
    "sharpen r3 1024": 45,
    "composite 1024 into 2048": 71,
    "soft light 1024": 153,
    "quantize Floyd-Steinberg 1024": 1236,
    "grow mask 8 1024": 111,
    "save PNG 1024": 287,
}
"""A real ComfyUI 0.3.64 on two cores, whole prompts."""


@dataclass(frozen=True)
class Context:
    """What nodes ask of their execution."""

    folders: Folders
    node_id: str = "1"
    prompt: JSONObject = field(default_factory=dict)
    extra_pnginfo: JSONObject = field(default_factory=dict)

    def progress(self, value: int, maximum: int) -> None:
        """Take no notice."""


def picture(size: int, seed: int) -> Image.Image:
    """Draw waves with a little noise."""
    y, x = np.mgrid[0:size, 0:size]
    waves = [128 + 100 * np.sin(x / 97), 128 + 100 * np.cos(y / 61), (x + y) * 255 / (2 * size)]
    noise = np.random.default_rng(seed).normal(0, 6, (size, size, 1))
    return Image.fromarray(np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8))


def to_bytes(image: Floats) -> NDArray[np.uint8]:
    """Convert as one writes it."""
    return np.clip(255 * image, 0, 255).astype(np.uint8)


def to_floats(image: Image.Image) -> Floats:
    """Convert as one writes it."""
    return np.asarray(image, np.float32) / np.float32(255)


def plain_resize(image: Floats, size: tuple[int, int], method: Image.Resampling) -> Floats:
    """Resize 8-bit copies with Pillow."""
    resized = Image.fromarray(to_bytes(image[0])).resize(size, method)
    return to_floats(resized)[None]


def plain_blur(image: Floats, radius: int, sigma: float) -> Floats:
    """Blur by scipy, one axis after the other: numpy alone takes longer."""
    from scipy import ndimage

    line = np.exp(-(np.linspace(-1, 1, 2 * radius + 1) ** 2) / (2 * sigma**2))
    weights = (line / line.sum()).astype(np.float32)
    rows = ndimage.convolve1d(image[0], weights, axis=0, mode="mirror")
    return np.asarray(ndimage.convolve1d(rows, weights, axis=1, mode="mirror"))[None]


def plain_sharpen(image: Floats, radius: int, sigma: float, alpha: float) -> Floats:
    """Sharpen with `plain_blur`."""
    return np.clip(image + 10 * alpha * (image - plain_blur(image, radius, sigma)), 0, 1)


def plain_paste(below: Floats, above: Floats, x: int, y: int) -> Floats:
    """Copy and paste."""
    result = below.copy()
    result[:, y : y + above.shape[1], x : x + above.shape[2]] = above
    return result


def plain_soft_light(a: Floats, b: Floats, factor: float) -> Floats:
    """Write the formula down."""
    g = np.where(a <= 0.25, ((16 * a - 12) * a + 4) * a, np.sqrt(a))
    mixed = np.where(b <= 0.5, a - (1 - 2 * b) * a * (1 - a), a + (2 * b - 1) * (g - a))
    return np.asarray(np.clip(a * (1 - factor) + mixed * factor, 0, 1))


def plain_quantize(image: Floats, colors: int) -> Floats:
    """Quantize with Pillow."""
    rgb = Image.fromarray(to_bytes(image[0]))
    palette = rgb.quantize(colors)
    return to_floats(rgb.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))[None]


def plain_grow(masks: Floats, steps: int) -> Floats:
    """Dilate with scipy, step by step."""
    from scipy import ndimage

    cross = ndimage.generate_binary_structure(2, 1)
    grown = masks[0]
    for _ in range(steps):
        grown = ndimage.grey_dilation(grown, footprint=cross)
    return np.asarray(grown[None])


def plain_load(path: Path) -> Floats:
    """Open, turn, convert."""
    return to_floats(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))[None]


def plain_save(image: Floats, path: Path) -> None:
    """Save with Pillow, the prompt in a text chunk."""
    texts = PngInfo()
    texts.add_text("prompt", json.dumps({}))
    Image.fromarray(to_bytes(image[0])).save(path, pnginfo=texts, compress_level=4)


def cases(context: Context) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return for each piece of work the node's function and the plain one."""
    large = load.load_image("large.png", context)[0]
    small = load.load_image("small.png", context)[0]
    dots = mask.threshold(small[..., 0], 0.3)[0]
    half = (1024, 1024)
    return {
        "load PNG 2048": (
            lambda: load.load_image("large.png", context),
            lambda: plain_load(context.folders.input / "large.png"),
        ),
        "lanczos 2048 to 1024": (
            lambda: scale.scale(large, "lanczos", *half, "disabled"),
            lambda: plain_resize(large, half, Image.Resampling.LANCZOS),
        ),
        "bicubic 2048 to 1024": (
            lambda: scale.scale(large, "bicubic", *half, "disabled"),
            lambda: plain_resize(large, half, Image.Resampling.BICUBIC),
        ),
        "area 2048 to 1024": (
            lambda: scale.scale(large, "area", *half, "disabled"),
            lambda: large.reshape(1, 1024, 2, 1024, 2, 3).mean(axis=(2, 4)),
        ),
        "bilinear 1024 to 2048": (
            lambda: scale.scale(small, "bilinear", 2048, 2048, "disabled"),
            lambda: plain_resize(small, (2048, 2048), Image.Resampling.BILINEAR),
        ),
        "blur r10 1024": (lambda: filters.blur(small, 10, 1.0), lambda: plain_blur(small, 10, 1.0)),
        "sharpen r3 1024": (lambda: filters.sharpen(small, 3, 1.0, 0.1), lambda: plain_sharpen(small, 3, 1.0, 0.1)),
        "composite 1024 into 2048": (
            lambda: composite.composite_masked(large, small, 100, 50, resize_source=False),
            lambda: plain_paste(large, small, 100, 50),
        ),
        "soft light 1024": (
            lambda: blend.blend_images(small, small, 0.3, "soft_light"),
            lambda: plain_soft_light(small, small, 0.3),
        ),
        "quantize Floyd-Steinberg 1024": (
            lambda: colour.quantize(small, 16, "floyd-steinberg"),
            lambda: plain_quantize(small, 16),
        ),
        "grow mask 8 1024": (lambda: mask.grow(dots, 8, tapered_corners=True), lambda: plain_grow(dots, 8)),
        "save PNG 1024": (
            lambda: save.save_images(small, "node", context),
            lambda: plain_save(small, context.folders.output / "plain.png"),
        ),
    }


def measured(node: Callable[[], Any], plain: Callable[[], Any]) -> tuple[float, float]:
    """Return the shortest time of each in milliseconds, taken in turn, so that both meet the same noise."""
    times = [(best_of(node, 1), best_of(plain, 1)) for _ in range(RUNS)]
    first, second = (min(column) * 1000 for column in zip(*times, strict=True))
    return first, second


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders(*(Path(folder, name) for name in ("input", "output", "temp")))
        folders.input.mkdir()
        folders.output.mkdir()
        picture(2048, 1).save(folders.input / "large.png", compress_level=1)
        picture(1024, 2).save(folders.input / "small.png", compress_level=1)
        rows = []
        for name, pair in cases(Context(folders)).items():
            node, plain = measured(*pair)
            ratio = f"{node / plain:.2f}{'' if node / plain <= LIMIT else ' (over)'}"
            rows.append([name, f"{node:.0f}", f"{plain:.0f}", ratio, str(REAL_MS[name])])
    print(table(["work", "node ms", "plain ms", f"ratio (goal at most {LIMIT})", "real ComfyUI ms"], rows))


if __name__ == "__main__":
    main()
