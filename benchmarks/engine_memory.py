"""How much memory the engine needs at most, as a multiple of what the images take that have to be there at once."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from _timing import table
from comfypipe._types import JSON, JSONObject
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.testing import node

SIDE, FEW, MANY = 1024, 24, 100
LIMIT = 1.5
_BYTES = 4 * 3


@dataclass(frozen=True)
class Case:
    """
    A prompt.

    Attributes:
        live: The largest set of images that are read or made at the same time, in images of 1024 x 1024.
    """

    prompt: JSONObject
    live: float


def one_by_one(count: int, live: float, **nodes: JSONObject) -> Case:
    """Return a case that starts from *count* pictures called ``source``."""
    source = node("LoadImageSetFromFolderNode", folder=f"of{count}", resize_method="None")
    return Case({"source": source, **nodes}, live * count)


def saved(images: str = "made") -> JSONObject:
    """Return a node that saves."""
    return node("SaveImage", images=[images, 0], filename_prefix="x")


def scaled(method: str, side: int, source: str = "source") -> JSONObject:
    """Return a node that scales."""
    return node("ImageScale", image=[source, 0], upscale_method=method, width=side, height=side, crop="disabled")


def changing(class_type: str, live: float = 2.0, **inputs: JSON) -> Case:
    """Return a case with a node between loading and looking at one of the results."""
    one = node("ImageFromBatch", image=["made", 0], batch_index=0, length=1)
    made = node(class_type, **inputs)
    return one_by_one(FEW, live, made=made, one=one, save=saved("one"))


_SOURCE = ["source", 0]
CASES: Mapping[str, Callable[[], Case]] = {
    "100 images: load folder, scale to 512 (lanczos), save": lambda: one_by_one(
        MANY, 1.25, made=scaled("lanczos", 512), save=saved()
    ),
    "100 images: load folder, scale to 512 (bicubic), save": lambda: one_by_one(
        MANY, 1.25, made=scaled("bicubic", 512), save=saved()
    ),
    "100 images: load folder, one by one, scale to 512, save": lambda: one_by_one(
        MANY,
        1.25,
        each=node("RebatchImages", images=_SOURCE, batch_size=1),
        made=scaled("area", 512, "each"),
        save=saved(),
    ),
    "load folder": lambda: changing("ImageFromBatch", 1.0, image=_SOURCE, batch_index=0, length=1),
    "invert": lambda: changing("ImageInvert", image=_SOURCE),
    "blur": lambda: changing("ImageBlur", image=_SOURCE, blur_radius=8, sigma=4.0),
    "sharpen": lambda: changing("ImageSharpen", image=_SOURCE, sharpen_radius=2, sigma=1.0, alpha=1.0),
    "soft light": lambda: changing(
        "ImageBlend", image1=_SOURCE, image2=_SOURCE, blend_factor=0.5, blend_mode="soft_light"
    ),
    "composite": lambda: changing(
        "ImageCompositeMasked", destination=_SOURCE, source=_SOURCE, x=0, y=0, resize_source=False
    ),
    "noise": lambda: changing("ImageAddNoise", image=_SOURCE, seed=1, strength=0.1),
    "quantize": lambda: changing("ImageQuantize", image=_SOURCE, colors=16, dither="none"),
    "batch of both": lambda: changing("ImageBatch", 3.0, image1=_SOURCE, image2=_SOURCE),
    "repeat": lambda: changing("RepeatImageBatch", 3.0, image=_SOURCE, amount=2),
    "stitch": lambda: changing(
        "ImageStitch",
        3.0,
        image1=_SOURCE,
        image2=_SOURCE,
        direction="right",
        match_image_size=True,
        spacing_width=0,
        spacing_color="white",
    ),
    "crop": lambda: changing("ImageCrop", 1.25, image=_SOURCE, width=512, height=512, x=0, y=0),
    "rotate": lambda: changing("ImageRotate", image=_SOURCE, rotation="90 degrees"),
    "morphology": lambda: changing("Morphology", image=_SOURCE, operation="dilate", kernel_size=3),
    "to YUV": lambda: changing("ImageRGBToYUV", 4.0, image=_SOURCE),
    "scale up (bilinear)": lambda: changing(
        "ImageScale", 5.0, image=_SOURCE, upscale_method="bilinear", width=2048, height=2048, crop="disabled"
    ),
    "scale up (nearest)": lambda: changing(
        "ImageScale", 5.0, image=_SOURCE, upscale_method="nearest-exact", width=2048, height=2048, crop="disabled"
    ),
    "save as PNG": lambda: one_by_one(FEW, 1.0, save=saved("source")),
    "save as animated PNG": lambda: one_by_one(
        FEW, 1.0, save=node("SaveAnimatedPNG", images=_SOURCE, filename_prefix="x", fps=6.0, compress_level=1)
    ),
    "save as animated WebP": lambda: one_by_one(
        FEW,
        1.0,
        save=node(
            "SaveAnimatedWEBP",
            images=_SOURCE,
            filename_prefix="x",
            fps=6.0,
            lossless=False,
            quality=80,
            method="fastest",
        ),
    ),
    "save as H.264": lambda: one_by_one(
        FEW,
        1.0,
        video=node("CreateVideo", images=_SOURCE, fps=8.0),
        save=node("SaveVideo", video=["video", 0], filename_prefix="x", format="auto", codec="auto"),
    ),
    "save as VP9": lambda: one_by_one(
        FEW, 1.0, save=node("SaveWEBM", images=_SOURCE, filename_prefix="x", codec="vp9", fps=8.0, crf=40.0)
    ),
}


def make_folders(root: Path) -> Folders:
    """Make folders of equal pictures."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    picture = Image.fromarray(np.stack([x // 4, y // 4, (x + y) // 8], -1).astype(np.uint8))
    for count in (FEW, MANY, 1):
        folder = root / "input" / f"of{count}"
        folder.mkdir(parents=True)
        picture.save(folder / "000.png")
        for index in range(1, count):
            (folder / f"{index:03}.png").hardlink_to(folder / "000.png")
    return Folders(root / "input", root / "output", root / "temp")


def peak_bytes() -> int:
    """Return how much memory this process had at most, since it was last told to forget."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def measure(name: str) -> None:
    """Run a case, and print how much memory it needed beyond what a single image had needed before."""
    case = CASES[name]()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(make_folders(Path(folder)), cache_bytes=0)
        engine.run(warming(case.prompt), prompt_id="warm")
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        before = peak_bytes()
        outcome = engine.run(case.prompt, prompt_id="p")
        assert outcome.succeeded, outcome.end  # noqa: S101  a benchmark
        print((peak_bytes() - before) / (case.live * SIDE * SIDE * _BYTES))


def warming(prompt: JSONObject) -> JSONObject:
    """Return the same prompt for a single image, so that everything is imported."""
    source = {"class_type": "LoadImageSetFromFolderNode", "inputs": {"folder": "of1", "resize_method": "None"}}
    return {**prompt, "source": source}


def main() -> None:
    """Print the table; with a name, measure that case alone."""
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    rows = []
    for name in CASES:
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
        rows.append([name, f"{float(done.stdout):.2f}", f"≤ {LIMIT}"])
        print(rows[-1], file=sys.stderr, flush=True)
    print(table(["what", "peak / live images", "goal"], rows))


if __name__ == "__main__":
    main()
