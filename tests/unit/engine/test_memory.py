"""What the engine needs besides the images that are there anyway. `benchmarks/engine_memory.py` measures more of it."""

import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.testing import node

COUNT, SIDE = 12, 256
BATCH_BYTES = COUNT * SIDE * SIDE * 3 * 4
SOURCE: JSON = ["source", 0]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Return an engine that keeps nothing, with a folder of pictures."""
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp")
    (folders.input / "of").mkdir(parents=True)
    for index in range(COUNT):
        Image.new("RGB", (SIDE, SIDE), (index, 0, 0)).save(folders.input / "of" / f"{index:02}.png")
    return Engine(folders, cache_bytes=0)


@pytest.mark.parametrize(
    ("live", "made"),
    [
        (1.25, node("ImageScale", image=SOURCE, upscale_method="area", width=128, height=128, crop="disabled")),
        (2.0, node("ImageAddNoise", image=SOURCE, seed=1, strength=0.5)),
        (2.0, node("Morphology", image=SOURCE, operation="gradient", kernel_size=5)),
        (2.0, node("ImageBlur", image=SOURCE, blur_radius=5, sigma=1.0)),
        (1.0, node("RebatchImages", images=SOURCE, batch_size=1)),
    ],
    ids=lambda each: each["class_type"] if isinstance(each, dict) else "",
)
def test_peak_is_near_the_live_images(engine: Engine, live: float, made: JSONObject) -> None:
    """Loading, working on and saving a batch takes at most half as much again as the images that are alive at once."""
    prompt = {
        "source": node("LoadImageSetFromFolderNode", folder="of", resize_method="None"),
        "made": made,
        "save": node("SaveImage", images=["made", 0], filename_prefix="x"),
    }
    assert engine.run(prompt, prompt_id="warm").succeeded
    tracemalloc.start()
    try:
        assert engine.run(prompt, prompt_id="p").succeeded
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes <= 1.5 * live * BATCH_BYTES
