"""A prompt with stand-ins, and a way to run it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from comfypipe._types import JSON, JSONObject
from comfypipe.engine.catalog import core_registry
from comfypipe.engine.executor import Engine
from comfypipe.engine.outcome import Outcome
from comfypipe.engine.registry import Folders
from comfypipe.engine.simulation.costs import Costs
from comfypipe.engine.simulation.registry import simulating_registry
from comfypipe.prompt.object_info import ObjectInfo
from comfypipe.testing import node

LATENT = node("EmptyLatentImage", width=128, height=64, batch_size=1)


def text_to_image(latent: JSONObject = LATENT, *, text: str = "a fox", **settings: JSON) -> JSONObject:
    """Return a prompt as every first workflow has it; ``"save"`` is its output."""
    sampling: dict[str, JSON] = {"seed": 1, "steps": 3, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal"}
    sampling |= {"denoise": 1.0} | settings
    return {
        "model": node("CheckpointLoaderSimple", ckpt_name="sd_xl_base_1.0.safetensors"),
        "positive": node("CLIPTextEncode", clip=["model", 1], text=text),
        "negative": node("CLIPTextEncode", clip=["model", 1], text=""),
        "latent": latent,
        "sample": node(
            "KSampler",
            model=["model", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=["latent", 0],
            **sampling,
        ),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["model", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="x"),
    }


@dataclass(frozen=True)
class Simulated:
    """An engine with stand-ins, in a folder of its own."""

    folder: Path
    catalog: JSONObject
    costs: Costs

    @property
    def engine(self) -> Engine:
        """A new one."""
        folders = Folders(self.folder / "input", self.folder / "output", self.folder / "temp")
        catalogs = (ObjectInfo(self.catalog),) if self.catalog else ()
        return Engine(folders, simulating_registry(core_registry(), catalogs, self.costs))

    def run(self, prompt: JSONObject, accelerator: str | None = None, models: tuple[str, ...] | None = None) -> Outcome:
        """Run a prompt to its end."""
        engine = self.engine
        prepared = engine.prepare(prompt)
        prepared.validation.raise_if_invalid()
        return engine.execute(prepared, prompt_id="p", accelerator=accelerator, models=models)

    def pictures(
        self, prompt: JSONObject, output: str = "save"
    ) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        """Run a prompt and return the pictures that it saved."""
        return [pixels_of(path) for path in self.files(prompt, output)]

    def files(self, prompt: JSONObject, output: str = "save") -> list[Path]:
        """Run a prompt and return the files that it saved."""
        outcome = self.run(prompt)
        assert outcome.succeeded, outcome.end
        return [path_of(self.folder, each) for each in outcome.outputs[output]["images"]]


def pixels_of(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the samples of a picture."""
    with Image.open(path) as image:
        return np.asarray(image)


def texts_of(path: Path) -> dict[str, str]:
    """Return the texts that stand in a PNG."""
    with Image.open(path) as image:
        return {str(key): str(value) for key, value in image.info.items()}


def path_of(folder: Path, entry: Mapping[str, str]) -> Path:
    """Return where a file lies that an output node shows."""
    return folder / entry["type"] / entry["subfolder"] / entry["filename"]


def simulated(folder: Path, catalog: JSONObject | None = None, costs: Costs | None = None) -> Simulated:
    """Return an engine with stand-ins."""
    return Simulated(folder, catalog or {}, costs or Costs())
