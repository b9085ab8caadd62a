"""What `simulate:` takes: prompts a second, and what a placeholder costs against saving a picture at all."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from _timing import best_of, table
from comfypipe._types import JSONObject
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.executor import Engine
from comfypipe.engine.registry import Folders
from comfypipe.engine.simulation.registry import simulating_registry
from comfypipe.testing import node

TIMES = 20


class Prompts:
    """Text to image, each time with another seed, so that nothing comes from a cache."""

    def __init__(self) -> None:
        self._seed = 0

    def next(self, side: int, output: JSONObject) -> JSONObject:
        """Return another prompt for a picture of *side* x *side* pixels, which *output* shows."""
        self._seed += 1
        sampling = {"steps": 4, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
        return {
            "model": node("CheckpointLoaderSimple", ckpt_name="sd15.safetensors"),
            "positive": node("CLIPTextEncode", clip=["model", 1], text="a lighthouse"),
            "negative": node("CLIPTextEncode", clip=["model", 1], text=""),
            "latent": node("EmptyLatentImage", width=side, height=side, batch_size=1),
            "sample": node(
                "KSampler",
                model=["model", 0],
                positive=["positive", 0],
                negative=["negative", 0],
                latent_image=["latent", 0],
                seed=self._seed,
                **sampling,
            ),
            "decode": node("VAEDecode", samples=["sample", 0], vae=["model", 2]),
            "out": output,
        }


_SAVE = node("SaveImage", images=["decode", 0], filename_prefix="x")
_SIZE = node("PreviewAny", source=["size", 0])


def seconds_each(engine: Engine, prompts: Prompts, side: int, output: JSONObject) -> float:
    """Return the time of a prompt."""
    times = max(1, TIMES * 512 // side)

    def run_some() -> None:
        for _ in range(times):
            prompt = prompts.next(side, output) | {"size": node("GetImageSize", image=["decode", 0])}
            assert engine.run(prompt, prompt_id="p").succeeded  # noqa: S101  a benchmark

    return best_of(run_some, 5) / times


def encoding_s(engine: Engine, prompts: Prompts, side: int, folder: Path) -> float:
    """Return the time that writing the same placeholder as a PNG takes, as plainly as one writes it."""
    outcome = engine.run(prompts.next(side, _SAVE), prompt_id="p")
    with Image.open(engine.folders.output / outcome.outputs["out"]["images"][0]["filename"]) as picture:
        pixels = np.asarray(picture)
    return best_of(lambda: Image.fromarray(pixels).save(folder / "plain.png", compress_level=4), 7)


def main() -> None:
    """Print the table."""
    folder = Path(tempfile.mkdtemp())
    folders = Folders(folder / "input", folder / "output", folder / "temp")
    engine, prompts = Engine(folders, simulating_registry(core_registry())), Prompts()
    rows = []
    for side in (64, 512, 1024):
        drawn = seconds_each(engine, prompts, side, _SIZE)
        saved = seconds_each(engine, prompts, side, _SAVE)
        plain = encoding_s(engine, prompts, side, folder)
        rows.append(
            [
                f"{side} x {side}",
                f"{1 / saved:.0f}",
                f"{drawn * 1000:.1f}",
                f"{plain * 1000:.1f}",
                f"{drawn / plain:.2f}",
                f"{saved / plain:.2f}",
            ]
        )
    header = ["picture", "prompts a second", "drawn, ms", "PNG alone, ms", "drawn / PNG", "whole prompt / PNG"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
